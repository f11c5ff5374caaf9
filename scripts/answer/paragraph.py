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
        pays = count(self.whole, 1) > len(self.whole) / 2
        return self.over("memoryless") > half, self.over("stacked") > half, pays


def count(group: Sequence[Verdict], want: int) -> int:
    return sum(v.serves == want for v in group)


def english(tally: Tally) -> str:
    def told(group: Sequence[Verdict], want: int) -> str:
        names = "; ".join(v.result.case.title for v in group if v.serves == want)
        return f"{count(group, want)} of {len(group)}" + (f" ({names})" if names else "")

    serves, better, pays = tally.mostly
    needs, whole = tally.needs, tally.whole
    found = []
    if needs:
        found.append(
            f"it {'serves' if serves else 'hardly serves'} as a memory, "
            f"{'and mostly better' if better else 'but mostly no better'} than the same past laid "
            "side by side"
        )
    if whole:
        found.append(
            f"where one state says it all, it mostly {'pays as well' if pays else 'does not pay'}"
        )
    text = _sentence(found) + (
        f"By {tally.runs} runs, each model chosen on validation: where part of the state is hidden "
        f"or noisy, the recurrent network is ahead of the best of every kind of opponent in "
        f"{told(needs, 1)}, and behind at least one in {told(needs, -1)}; it beats its memoryless "
        f"twin in {tally.over('memoryless')} of {len(needs)}, and the same past as a stack in "
        f"{tally.over('stacked')}. Where one state says it all, it is ahead of all in "
        f"{told(whole, 1)}, and behind in {told(whole, -1)}."
    )
    if unable := "; ".join(v.result.case.title for v in tally.unable):
        text += (
            f" At this budget it is no better than the best baseline in {len(tally.unable)} more "
            f"({unable})."
        )
    if tally.costed:
        text += f" At equal accuracy the solver is cheaper in {tally.cheaper} of {tally.costed}."
    return text


def spanish(tally: Tally) -> str:
    serves, better, pays = tally.mostly
    needs, whole = tally.needs, tally.whole
    found = []
    if needs:
        found.append(
            f"{'sirve' if serves else 'apenas sirve'} como memoria, "
            f"{'y casi siempre mejor que' if better else 'pero pocas veces mejor que'} el mismo "
            "pasado puesto lado a lado"
        )
    if whole:
        found.append(
            "donde un solo estado lo dice todo, "
            f"{'suele compensar también' if pays else 'no suele compensar'}"
        )
    text = _sentence(found) + (
        f"Según {tally.runs} "
        f"ejecuciones, con cada modelo elegido en validación: donde parte del estado está oculta o "
        f"con ruido, la red recurrente supera al mejor rival de cada tipo en {count(needs, 1)} de "
        f"{len(needs)} casos y queda detrás de alguno en {count(needs, -1)}; supera a su gemela "
        f"sin memoria en {tally.over('memoryless')}, y al mismo pasado apilado en "
        f"{tally.over('stacked')}. Donde un solo estado lo dice todo, supera a todos en "
        f"{count(whole, 1)} de {len(whole)} y queda detrás en {count(whole, -1)}."
    )
    if tally.unable:
        text += (
            f" Con este presupuesto no mejora la mejor referencia trivial en {len(tally.unable)} "
            "más."
        )
    if tally.costed:
        text += (
            f" Con igual exactitud, el integrador cuesta menos en {tally.cheaper} de "
            f"{tally.costed}."
        )
    return text


def _sentence(parts: Sequence[str]) -> str:
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}. " if text else ""
