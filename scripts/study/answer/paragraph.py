"""The answer in one paragraph, in English and in Spanish: counts of verdicts, put into words."""

from collections.abc import Sequence
from dataclasses import dataclass

from .claims import Verdict


@dataclass(frozen=True)
class Tally:
    """What is counted. The solver is ``cheaper`` at equal accuracy in so many of ``costed``."""

    verdicts: Sequence[Verdict]
    runs: int
    cheaper: int
    costed: int

    @property
    def needs(self) -> list[Verdict]:
        """Cases that need memory, of which something follows."""
        return [v for v in self.verdicts if v.forecasts and v.result.case.memory]

    @property
    def whole(self) -> list[Verdict]:
        """Cases where one state says it all, of which something follows."""
        return [v for v in self.verdicts if v.forecasts and not v.result.case.memory]

    @property
    def unable(self) -> list[Verdict]:
        return [v for v in self.verdicts if not v.forecasts]

    def over(self, role: str) -> int:
        """Cases that need memory in which it is ahead of this kind of opponent."""
        return sum(v.ahead.get(role, 0) > 0 for v in self.needs)

    @property
    def mostly(self) -> tuple[bool, bool, bool]:
        """Whether in more than half it beats no memory, and a stack, and pays without need."""
        half = len(self.needs) / 2
        pays = sum(v.serves > 0 for v in self.whole) > len(self.whole) / 2
        return self.over("memoryless") > half, self.over("stacked") > half, pays


@dataclass(frozen=True)
class Words:
    """A language. What stands in braces is counted, or one of a pair: if not so, and if so."""

    serves: tuple[str, str]
    better: tuple[str, str]
    pays: tuple[str, str]
    memory: str
    whole: str
    counts: str
    unable: str
    cost: str


ENGLISH = Words(
    serves=("hardly serves", "serves"),
    better=("but mostly no better", "and mostly better"),
    pays=("does not pay", "pays as well"),
    memory="it {serves} as a memory, {better} than the same past laid side by side",
    whole="where one state says it all, it mostly {pays}",
    counts=(
        "By {runs} runs, each model chosen on validation: where part of the state is hidden or "
        "noisy, the recurrent network is ahead of the best of every kind of opponent in "
        "{needs_ahead} of {needs}{needs_ahead_in}, and behind at least one in {needs_behind} of "
        "{needs}{needs_behind_in}; it beats its memoryless twin in {over} of {needs}, and the same "
        "past as a stack in {past}. Where one state says it all, it is ahead of all in "
        "{whole_ahead} of {whole}{whole_ahead_in}, and behind in {whole_behind} of "
        "{whole}{whole_behind_in}."
    ),
    unable="At this budget it is no better than the best baseline in {unable} more{unable_in}.",
    cost="At equal accuracy the solver is cheaper in {cheaper} of {costed}.",
)
SPANISH = Words(
    serves=("apenas sirve", "sirve"),
    better=("pero pocas veces mejor que", "y casi siempre mejor que"),
    pays=("no suele compensar", "suele compensar también"),
    memory="{serves} como memoria, {better} el mismo pasado puesto lado a lado",
    whole="donde un solo estado lo dice todo, {pays}",
    counts=(
        "Según {runs} ejecuciones, con cada modelo elegido en validación: donde parte del estado "
        "está oculta o con ruido, la red recurrente supera al mejor rival de cada tipo en "
        "{needs_ahead} de {needs} casos y queda detrás de alguno en {needs_behind}; supera a su "
        "gemela sin memoria en {over}, y al mismo pasado apilado en {past}. Donde un solo estado "
        "lo dice todo, supera a todos en {whole_ahead} de {whole} y queda detrás en {whole_behind}."
    ),
    unable="Con este presupuesto no mejora la mejor referencia trivial en {unable} más.",
    cost="Con igual exactitud, el integrador cuesta menos en {cheaper} de {costed}.",
)


def paragraph(tally: Tally, words: Words) -> str:
    """What the tally says, in these words; nothing of what was not looked at."""
    lead = [words.memory] * bool(tally.needs) + [words.whole] * bool(tally.whole)
    parts = [f"{'; '.join(lead)}."] if lead else []
    parts.append(words.counts)
    parts += [words.unable] * bool(tally.unable) + [words.cost] * bool(tally.costed)
    pairs = (words.serves, words.better, words.pays)
    said = [pair[so] for pair, so in zip(pairs, tally.mostly, strict=True)]
    chosen = dict(zip(("serves", "better", "pays"), said, strict=True))
    text = " ".join(parts).format(**chosen, **_counted(tally))
    return text[0].upper() + text[1:]


def _counted(tally: Tally) -> dict[str, str]:
    """Each number, and under its name and ``_in`` the cases in brackets."""
    groups = {"unable": tally.unable}
    for name, group in (("needs", tally.needs), ("whole", tally.whole)):
        groups[name] = group
        for where, want in (("ahead", 1), ("behind", -1)):
            groups[f"{name}_{where}"] = [v for v in group if v.serves == want]
    found = {
        "runs": str(tally.runs),
        "over": str(tally.over("memoryless")),
        "past": str(tally.over("stacked")),
        "cheaper": str(tally.cheaper),
        "costed": str(tally.costed),
    }
    for name, group in groups.items():
        found[name] = str(len(group))
        titles = "; ".join(v.result.case.title for v in group)
        found[f"{name}_in"] = f" ({titles})" if titles else ""
    return found
