"""What Schemathesis cannot know of the admin API, taken out of the calls that are meant to be right.

A cursor is what a page said: any other text is rightly refused. And of a header whose pattern it cannot make a value for
it sends `0`, which does not fit the pattern. For an integer it may send `93.0`, which JSON Schema takes for one.
"""

import schemathesis

CONDITIONS = ("If-Match", "If-None-Match")


@schemathesis.hook
def before_call(context, case, kwargs):
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    if case.query:
        case.query.pop("cursor", None)
    for name in CONDITIONS:
        if case.headers and case.headers.get(name) == "0":
            del case.headers[name]
    case.body = with_whole_numbers(case.body)


def with_whole_numbers(value):
    """The value with each float that is a whole number as an integer."""
    if isinstance(value, dict):
        return {name: with_whole_numbers(member) for name, member in value.items()}
    if isinstance(value, list):
        return [with_whole_numbers(member) for member in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
