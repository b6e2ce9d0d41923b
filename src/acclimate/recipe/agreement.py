"""Whether the sections of a recipe fit each other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from acclimate.recipe.settings import nearest, problem


def require_heads(recipe: Any) -> None:
    """Raises ValidationError for a family that has no head for a task, or for the objective."""
    family = recipe.model
    if family is None:
        return
    name = family.registered_as[1]
    for task, settings in recipe.tasks.items():
        settings = recipe.tasks[task] = settings.suited(family)
        if settings.kind not in family.kinds:
            words = f"the family {name} has no head for {settings.registered_as[1]}"
            raise problem(words, at=("tasks", task))
        method = getattr(settings, "transfer", None)
        if method is not None and (reason := method.refuses(family)):
            raise problem(reason, at=("tasks", task, settings.registered_as[1], "transfer"))
        if idle := settings.idle():
            raise problem(": ".join(idle), at=("tasks", task, settings.registered_as[1], idle[0]))
    if recipe.pretrain is None:
        return
    objective = recipe.pretrain.objective
    if objective.kind not in family.kinds or not _takes(family, objective):
        fitting = [one for one, kind, cls in _objectives() if kind in family.kinds and _takes(family, cls)]
        lacks = "it has no head for it"
        if objective.kind in family.kinds:
            lacks = f"its models take no {' and no '.join(objective.gives)}"
        raise problem(
            f"the family {name} cannot learn by {objective.registered_as[1]}: {lacks}; "
            f"{name} takes: {', '.join(fitting)}",
            at=("pretrain", "objective"),
        )
    if reason := family.refuses(objective.kind):
        raise problem(reason, at=("model",))


def require_streams(recipe: Any) -> None:
    """Raises ValidationError where an objective reads text in streams, and something else does not go with that."""
    pretrain, hardware = recipe.pretrain, recipe.hardware
    if pretrain is None or recipe.model is None or not pretrain.objective.in_streams:
        return
    name = pretrain.objective.registered_as[1]
    if not recipe.model.remembers:
        family = recipe.model.registered_as[1]
        words = f"{name} carries on what a model remembers, and the family {family} remembers nothing"
        raise problem(f"{words}; {', '.join(_families_with('remembers'))} do", at=("pretrain", "objective"))
    if pretrain.batch.unit != "sequences":
        words = f"{name} reads as many streams side by side as a batch has sequences; expected a number of sequences"
        raise problem(
            f"{words}, for example '20 sequences', found '{pretrain.batch}'", at=("pretrain", "batch")
        )
    if pretrain.curriculum is not None:
        raise problem(f"{name} reads the text in its own order; leave it out", at=("pretrain", "curriculum"))
    if hardware.ranks > 1:
        words = f"{name} carries on what a model remembers, which ranks cannot share; expected 1"
        raise problem(f"{words}, found {hardware.ranks}", at=("hardware", "ranks"))
    if hardware.micro_batch is not None:
        words = f"{name} takes all streams of a batch at once; leave it out"
        raise problem(words, at=("hardware", "micro_batch"))


def require_regularity(recipe: Any) -> None:
    """Raises ValidationError for a regulariser or an average that has nothing to act on."""
    parts: list[tuple[tuple[str, ...], Any, Any]] = [
        (("pretrain",), recipe.pretrain, recipe.pretrain and recipe.pretrain.objective)
    ]
    parts += [(("tasks", name, task.registered_as[1]), task, task) for name, task in recipe.tasks.items()]
    if recipe.together is not None:
        chosen = recipe.together.tasks or list(recipe.tasks)
        known = [recipe.tasks[name] for name in chosen if name in recipe.tasks]  # others: require_together
        parts += [(("together",), recipe.together, task) for task in known]
    for at, settings, asked in parts:
        if settings is None:
            continue
        names = _names(settings.regularise)
        for number, one in enumerate(settings.regularise):
            if names.index(names[number]) < number:
                raise problem(f"{names[number]} stands here twice", at=(*at, "regularise", number))
            if one.needs_scores and not asked.scores:
                words = f"{names[number]} compares the probabilities of classes or tokens, which"
                words += f" {asked.registered_as[1]} does not tell"
                raise problem(words, at=(*at, "regularise", number))
            if one.needs_dropout and not _drops(recipe.model, settings):
                words = f"{names[number]} compares two draws of dropout, and {_without_dropout(recipe.model)}"
                raise problem(words, at=(*at, "regularise", number))
        _require_use(settings, at)
        keep = getattr(settings, "keep", None)
        if keep is not None and keep.goes_alone and any(one.needs_scores for one in settings.regularise):
            words = f"{keep.registered_as[1]} and r_drop both take the loss apart; leave one of them out"
            raise problem(words, at=(*at, "keep"))
        if keep is not None and keep.projects and "accumulate_by_layer" in _names(settings.gradients):
            words = "needs the whole gradient, which accumulate_by_layer uses up; leave one of them out"
            raise problem(f"{keep.registered_as[1]}: {words}", at=(*at, "keep"))
        if settings.average is None:
            continue
        if settings.optimizer.registered_as[1] == "nt_asgd":
            raise problem("nt_asgd averages the weights itself; leave one of them out", at=(*at, "average"))
        if getattr(settings, "grow", None) is not None:
            raise problem("weights of models of different depth cannot be averaged", at=(*at, "average"))


def _names(parts: Iterable[Any]) -> list[str]:
    return [one.registered_as[1] for one in parts]


def _drops(family: Any, settings: Any) -> bool:
    """Whether training hides anything at random, by the model's settings or by those of the way of transfer."""
    method: Any = getattr(settings, "transfer", None)
    while method is not None:
        if getattr(method, "dropout", 0):
            return True
        method = getattr(method, "then", None)
    return family is None or family.drops()


def _without_dropout(family: Any) -> str:
    name, fields = family.registered_as[1], type(family).model_fields
    key = next((key for key in ("dropout", "attention_dropout") if key in fields), None)
    if key is None:
        return f"models of the family {name} have none; leave it out"
    return f"the model has none here; set `model.{key}`, to 10% for example, or leave it out"


def _require_use(settings: Any, at: tuple[str, ...]) -> None:
    """Raises ValidationError for a regulariser or an average of a way of transfer that would pass over it."""
    method: Any = getattr(settings, "transfer", None)
    while hasattr(method, "then"):  # what follows a preparation is what trains
        method = method.then
    if method is None:
        return
    name = method.registered_as[1]
    if settings.regularise and not method.regularises:
        raise problem(f"{name} would pass over it: its head is fitted, not trained", at=(*at, "regularise"))
    if settings.average is not None and not method.by_gradient:
        raise problem(f"{name} trains no weights to average", at=(*at, "average"))


def require_together(recipe: Any) -> None:
    """Raises ValidationError for tasks that cannot be learnt in one training."""
    together = recipe.together
    if together is None:
        return
    known = list(recipe.tasks)
    for place, named in (("tasks", together.tasks or []), ("weights", together.weights or {})):
        for name in named:
            if name not in known:
                raise problem(f"no task {name!r}; {nearest(name, known)}", at=("together", place))
    chosen = together.tasks or known
    if len(chosen) < 2 or len(set(chosen)) < len(chosen):
        raise problem(
            f"takes two tasks or more, each once; found {', '.join(chosen) or 'none'}", at=("together",)
        )
    if together.share == "embeddings" and recipe.model is not None and not recipe.model.has_table:
        family = recipe.model.registered_as[1]
        words = f"models of the family {family} have no table of tokens to share; share the `body`"
        raise problem(words, at=("together", "share"))
    seeds = {recipe.tasks[name].seeds for name in chosen}
    if len(seeds) > 1:
        raise problem("tasks that are learnt together need as many `seeds` each", at=("together", "tasks"))
    for name in chosen:
        task = recipe.tasks[name]
        if task.only_judged:
            words = f"nothing is learnt for {name} ({task.registered_as[1]}), so not together with others either; name"
            raise problem(f"{words} those that learn", at=("together", "tasks"))
        own = {
            "transfer": task.transfer.registered_as[1] != "full",
            "before": task.before,
            "regularise": task.regularise,
            "average": task.average is not None,
        }
        if idle := [key for key, said in own.items() if said]:
            words = f"is learnt with others: its own `{idle[0]}` would have no effect"
            raise problem(f"{words}; see `together`", at=("tasks", name, task.registered_as[1], idle[0]))


def require_texts(recipe: Any) -> None:
    """Raises ValidationError for other texts that the pretraining could not be asked about."""
    at = ("evaluate", "texts")
    if not recipe.evaluate.texts:
        return
    if recipe.pretrain is None:
        raise problem("the model is measured before and after `pretrain`, which this recipe has not", at=at)
    objective = recipe.pretrain.objective
    if objective.likelihood is None or objective.brings_data or objective.knows_sources:
        name = objective.registered_as[1]
        raise problem(f"{name} does not tell how likely a plain text is; mlm and clm do, among others", at=at)


def require_growth(recipe: Any) -> None:
    """Raises ValidationError for a model that cannot grow as the pretraining says."""
    pretrain, model, hardware = recipe.pretrain, recipe.model, recipe.hardware
    if pretrain is None or model is None or pretrain.grow is None:
        return
    grow, at = pretrain.grow, ("pretrain", "grow")
    family = model.registered_as[1]
    if not model.layer_lists:
        words = f"models of the family {family} cannot grow: they have no list of layers of their own"
        raise problem(f"{words}; these can: {', '.join(_families_with('layer_lists'))}", at=at)
    if getattr(model, "share", 1) != 1:
        raise problem("the model's layers share weights (`model.share`), so it cannot grow", at=at)
    if model.starts_from is not None:
        words = "a checkpoint's upper layers would be thrown away: only a model of random weights can grow"
        raise problem(words, at=at)
    depth = model.depth()
    last = grow.stages[-1].layers
    place = (*at, "stages", len(grow.stages) - 1, "layers")
    if last > depth:
        words = f"the model has {depth} layers; expected {depth} at most"
        raise problem(f"{words}, found {last}", at=place)
    if last == depth and grow.train == "all":
        words = f"the last stage, that of all {depth} layers, comes by itself; expected less than {depth}"
        raise problem(f"{words}, found {last}", at=place)
    if getattr(pretrain.optimizer, "overrides", None):
        words = "names parameters, of which not all are there in every stage of `grow`; leave one of them out"
        raise problem(words, at=("pretrain", "optimizer", pretrain.optimizer.registered_as[1], "overrides"))
    if any(one.registered_as[1] == "mixout" for one in pretrain.regularise):
        words = "mixout pulls weights back to where they started, which layers that are added have not"
        raise problem(f"{words}; leave it out", at=("pretrain", "regularise"))
    if hardware.ranks > 1 and pretrain.length.is_time:
        words = f"ranks have clocks of their own, and would not grow at the same step of '{pretrain.length}'"
        raise problem(
            f"{words}; expected a length in steps, tokens, sequences or epochs", at=("pretrain", "length")
        )


def _families_with(attribute: str) -> list[str]:
    from acclimate.recipe.registry import registry

    names = registry.names("family")
    return [name for name in names if getattr(registry.get("family", name), attribute)]


def _takes(family: Any, objective: Any) -> bool:
    """Whether the family's models take what the objective gives besides tokens."""
    return set(getattr(objective, "gives", ())) <= set(getattr(family, "token_inputs", ()))


def _objectives() -> Iterator[tuple[str, str, Any]]:
    """(name, kind of model that it trains, class) of every objective whose settings do not decide it."""
    from acclimate.recipe.registry import registry

    for name in registry.names("objective"):
        objective: Any = registry.get("objective", name)
        if hasattr(objective, "trains"):
            yield name, objective.trains, objective


def require_marks(pretrain: Any) -> None:
    """Raises ValidationError for an objective that asks where words start, of tokens that are drawn."""
    if pretrain.segmentation is not None and pretrain.objective.marks:
        words = (
            "this objective asks where words or sentences start, which drawn tokens do not tell; leave it out"
        )
        raise problem(words, at=("segmentation",))
