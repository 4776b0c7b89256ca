"""The one door to processes: wardens that own an attempt's process tree, and the hosts that start them."""
