"""Measurements that print ratios from one run on one machine; absolutes of different days are not comparable."""
