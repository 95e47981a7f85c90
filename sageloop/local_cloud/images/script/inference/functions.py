"""The inference functions: the user's, or the framework's defaults."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from sageloop.local_cloud.images.script.inference.context import Context
from sageloop.local_cloud.images.script.inference.defaults import Defaults

Function = Callable[..., Any]
_SINGLE = ("input_fn", "predict_fn", "output_fn")


@dataclass(frozen=True, slots=True, kw_only=True)
class Functions:
    """The functions of the inference toolkit; each may take a context as last parameter."""

    model_fn: Function
    input_fn: Function
    predict_fn: Function
    output_fn: Function
    transform_fn: Function | None
    pre_model_fn: Function | None
    model_warmup_fn: Function | None


def functions_of(module: ModuleType | None, defaults: Defaults) -> Functions:
    """The functions of the user's module, completed by the framework's defaults.

    Raises ``ValueError`` for ``transform_fn`` beside one of the functions that it replaces.
    """
    own = {} if module is None else vars(module)
    if "transform_fn" in own and any(name in own for name in _SINGLE):
        raise ValueError(
            "Cannot use transform_fn implementation in conjunction with input_fn, predict_fn, "
            "and/or output_fn implementation"
        )
    return Functions(
        model_fn=own.get("model_fn", defaults.model_fn),
        input_fn=own.get("input_fn", defaults.input_fn),
        predict_fn=own.get("predict_fn", defaults.predict_fn),
        output_fn=own.get("output_fn", defaults.output_fn),
        transform_fn=own.get("transform_fn"),
        pre_model_fn=own.get("pre_model_fn"),
        model_warmup_fn=own.get("model_warmup_fn"),
    )


def called(function: Function, context: Context, *values: Any) -> Any:
    """Call a function, with the context if it takes exactly one additional parameter."""
    parameters = len(inspect.signature(function).parameters)
    if parameters == len(values):
        return function(*values)
    if parameters == len(values) + 1:
        return function(*values, context)
    raise TypeError(
        f"{function.__name__} takes {parameters} arguments, but {len(values)} were given"
    )
