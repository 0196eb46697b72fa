"""Runs a program in a terminal of its own, and types the answers to its prompts once it has switched echo off.

Arguments: the program with its arguments, then `--`, then prompt and answer in turn. Prints what the terminal showed,
and ends with the program's exit code.
"""

import os
import pty
import sys
import termios

split = sys.argv.index("--")
program, turns = sys.argv[1:split], sys.argv[split + 1 :]
child, terminal = pty.fork()
if child == 0:
    os.execv(program[0], program)

shown = b""


def read():
    global shown
    try:
        part = os.read(terminal, 4096)
    except OSError:  # Linux: the program has closed its side.
        part = b""
    shown += part
    return bool(part)


for prompt, answer in zip(turns[::2], turns[1::2]):
    while prompt.encode() not in shown and read():
        pass
    while termios.tcgetattr(terminal)[3] & termios.ECHO:
        os.sched_yield()
    os.write(terminal, answer.encode() + b"\n")
while read():
    pass
sys.stdout.buffer.write(shown)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
