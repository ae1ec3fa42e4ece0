"""Types that msgspec decodes, prepared on import.

msgspec builds what it knows of a class, and of the classes in it, when the class is decoded first. Two threads that do so at the same
moment crash the process (msgspec 0.22, segmentation fault): two officers who open their first cases at once, two cameras that resume at
once. So each module that decodes a class prepares it while it is imported, under Python's import lock.
"""

import msgspec


def prepare(*types: type) -> None:
    for each in types:
        msgspec.msgpack.Decoder(each)
