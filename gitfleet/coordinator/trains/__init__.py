"""The train as a session sees it: gated runs in, a decided and verified landing out."""
