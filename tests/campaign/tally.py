"""What a part of the campaign found."""

from dataclasses import dataclass, field


@dataclass
class Tally:
    """tried: attempts.  right: of these, by what was right about them.  wrong: a line for each of the others."""

    name: str
    tried: int = 0
    right: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def note(self, how: str, wrong: str | None = None) -> None:
        """Count an attempt that ended as it should, or, with `wrong`, one that did not."""
        self.tried += 1
        if wrong is None:
            self.right[how] = self.right.get(how, 0) + 1
        else:
            self.wrong.append(wrong)

    def row(self) -> str:
        """Return a row of the table."""
        how = ", ".join(f"{count} {text}" for text, count in sorted(self.right.items()))
        return f"| {self.name} | {self.tried} | {sum(self.right.values())} ({how}) | {len(self.wrong)} |"
