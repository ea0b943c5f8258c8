//! The objects that AsyncAPI 2.x and 3.x have in common, and the fields that their other objects share.

use super::Shape::{Any, List, Map, Mapping, Object as Obj, Refable, Schema, Text};
use super::{Field, Object, Shape};
use crate::contract::problem::Level::{BlocksRouting, BlocksValidation, Note};

/// A text, as the item of a list.
pub(super) const TEXT: Shape = Text;

/// Fields of the document itself.
pub(super) const OF_ROOT: &[Field] = &[
    ("asyncapi", Text, BlocksRouting),
    ("id", Text, Note),
    ("info", Obj(&INFO), Note),
    ("defaultContentType", Text, Note),
    ("components", Mapping, BlocksValidation),
];

/// Fields that the document needs.
pub(super) const NEEDED_BY_ROOT: &[(&str, crate::contract::problem::Level)] =
    &[("info", Note), ("channels", BlocksRouting)];

/// Tags and links, which many objects have and nothing reads.
pub(super) const OF_LABELS: &[Field] = &[("tags", Any, Note), ("externalDocs", Any, Note)];

/// Fields of a server.
pub(super) const OF_SERVER: &[Field] = &[
    ("protocol", Text, Note),
    ("protocolVersion", Text, Note),
    ("description", Text, Note),
    ("variables", Map(&Refable(&VARIABLE)), Note),
    ("security", List(&Any), Note),
    ("bindings", Any, Note),
];

/// Fields of an operation.
pub(super) const OF_OPERATION: &[Field] =
    &[("summary", Text, Note), ("description", Text, Note), ("security", List(&Any), Note), ("bindings", Any, Note)];

/// Fields of a message.
pub(super) const OF_MESSAGE: &[Field] = &[
    ("headers", Schema, Note),
    ("payload", Any, BlocksValidation),
    ("correlationId", Any, Note),
    ("contentType", Text, BlocksValidation),
    ("name", Text, Note),
    ("title", Text, Note),
    ("summary", Text, Note),
    ("description", Text, Note),
    ("bindings", Any, Note),
    ("examples", List(&Any), Note),
];

/// Fields of a parameter. `schema` belongs to 2.x, and is read in 3.x as well.
pub(super) const OF_PARAMETER: &[Field] =
    &[("description", Text, Note), ("location", Text, Note), ("schema", Schema, BlocksRouting)];

/// The Info Object. 3.x moved `tags` and `externalDocs` here.
pub static INFO: Object = Object {
    name: "the Info Object",
    fields: &[
        &[
            ("title", Text, Note),
            ("version", Text, Note),
            ("description", Text, Note),
            ("termsOfService", Text, Note),
            ("contact", Any, Note),
            ("license", Any, Note),
        ],
        OF_LABELS,
    ],
    required: &[("title", Note), ("version", Note)],
};

/// The Server Variable Object.
pub static VARIABLE: Object = Object {
    name: "a Server Variable Object",
    fields: &[&[
        ("enum", List(&TEXT), Note),
        ("default", Text, Note),
        ("description", Text, Note),
        ("examples", List(&TEXT), Note),
    ]],
    required: &[],
};
