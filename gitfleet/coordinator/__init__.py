"""The loop: ready set, dispatch, collect, integrate, relay. The only package that knows the order of these steps."""
