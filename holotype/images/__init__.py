"""How pictures are found, read and brought to the square that a backbone sees.

Pillow and numpy only, no torch: decoding runs in threads, and services that only store
or forward pictures never load a backbone's libraries.
"""
