//! The objects of AsyncAPI 2.0 to 2.6.

use super::Object;
use super::Shape::{Any, Flag, List, Map, Object as Obj, Refable, Text};
use super::shared::{NEEDED_BY_ROOT, OF_LABELS, OF_MESSAGE, OF_OPERATION, OF_PARAMETER, OF_ROOT, OF_SERVER, TEXT};
use crate::contract::problem::Level::{BlocksRouting, BlocksValidation, Note};

/// The document.
pub static ROOT: Object = Object {
    name: "the document",
    fields: &[
        OF_ROOT,
        OF_LABELS,
        &[("servers", Map(&Refable(&SERVER)), Note), ("channels", Map(&Refable(&CHANNEL)), BlocksRouting)],
    ],
    required: NEEDED_BY_ROOT,
};

/// The Server Object.
pub static SERVER: Object = Object {
    name: "a Server Object",
    fields: &[OF_SERVER, &[("url", Text, Note), ("tags", Any, Note)]],
    required: &[("url", Note), ("protocol", Note)],
};

/// The Channel Item Object.
pub static CHANNEL: Object = Object {
    name: "a Channel Item Object",
    fields: &[&[
        ("description", Text, Note),
        ("servers", List(&TEXT), BlocksRouting),
        ("subscribe", Obj(&OPERATION), BlocksValidation),
        ("publish", Obj(&OPERATION), BlocksValidation),
        ("parameters", Map(&Refable(&PARAMETER)), BlocksRouting),
        ("bindings", Any, Note),
    ]],
    required: &[],
};

/// The Operation Object, and the trait that it may have.
pub static OPERATION: Object = Object {
    name: "an Operation Object",
    fields: &[
        OF_OPERATION,
        OF_LABELS,
        &[
            ("operationId", Text, Note),
            ("traits", List(&Refable(&OPERATION)), BlocksValidation),
            ("message", Refable(&MESSAGE), BlocksValidation),
        ],
    ],
    required: &[],
};

/// The Message Object, and the trait that it may have.
pub static MESSAGE: Object = Object {
    name: "a Message Object",
    fields: &[
        OF_MESSAGE,
        OF_LABELS,
        &[
            // Of an operation's message only, by the specification; read everywhere.
            ("oneOf", List(&Refable(&MESSAGE)), BlocksValidation),
            ("messageId", Text, Note),
            ("schemaFormat", Text, BlocksValidation),
            ("traits", List(&Refable(&MESSAGE)), BlocksValidation),
        ],
    ],
    required: &[],
};

/// The Parameter Object.
pub static PARAMETER: Object = Object {
    name: "a Parameter Object",
    fields: &[
        OF_PARAMETER,
        // Those of OpenAPI, which change nothing.
        &[("in", Text, Note), ("required", Flag, Note), ("example", Any, Note), ("examples", Any, Note)],
    ],
    required: &[],
};
