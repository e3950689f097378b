"""Kills, damaged files and random command lines by the hundred: what nobody would think of testing one by one."""
