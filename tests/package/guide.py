"""A guide in Markdown as something that can be done: its blocks of commands, and what they are to print.

A block is fenced by ```console.  A line that begins with a machine's name and '#' or '$' is a command there, one that ends in a
backslash goes on in the next, and what follows is what it prints, on both: `...` stands for whatever differs within a line,
and alone in a line for any number of lines.  A block below a comment `<!-- not run: WHY -->` is only shown."""
import re

FENCE = re.compile(r"(?ms)^(<!-- not run: [^>]+ -->\n)?```console\n(.*?)^```$")
PROMPT = re.compile(r"(\w+)[#$] (.*)")


class Step:
    def __init__(self, machine, command, line):
        self.machine, self.command, self.line = machine, command, line
        self.expected = []

    def __str__(self):
        return f"line {self.line}: {self.machine}# {self.command}"

    def is_as_told(self, said):
        return re.fullmatch(pattern(self.expected), "".join(f"{line.rstrip()}\n" for line in said.splitlines())) is not None


def pattern(lines):
    """Of lines that end in newlines."""
    return "".join(r"(?:.*\n)*" if line == "..." else
                   ".*".join(map(re.escape, line.split("..."))) + r"\n" for line in lines)


def steps(text):
    """All commands of a guide, in their order."""
    found = []
    for block in FENCE.finditer(text):
        if block[1]:
            continue
        number, goes_on = text.count("\n", 0, block.start(2)), False
        for line in block[2].splitlines():
            number += 1
            prompt = PROMPT.fullmatch(line)
            if goes_on:
                found[-1].command += "\n" + line
            elif prompt:
                found.append(Step(prompt[1], prompt[2], number))
            else:
                found[-1].expected.append(line.rstrip())
                continue
            goes_on = line.endswith("\\")
    return found
