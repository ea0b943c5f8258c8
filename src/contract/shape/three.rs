//! The objects of AsyncAPI 3.0 and 3.1.

use super::Shape::{Any, List, Map, Mapping, Refable, Text, TextOrNull};
use super::shared::{NEEDED_BY_ROOT, OF_LABELS, OF_MESSAGE, OF_OPERATION, OF_PARAMETER, OF_ROOT, OF_SERVER, TEXT};
use super::{Object, Shape};
use crate::contract::problem::Level::{BlocksRouting, BlocksValidation, Note};

const MAPPING: Shape = Mapping;

/// The document.
pub static ROOT: Object = Object {
    name: "the document",
    fields: &[
        OF_ROOT,
        &[
            ("servers", Map(&Refable(&SERVER)), Note),
            ("channels", Map(&Refable(&CHANNEL)), BlocksRouting),
            ("operations", Map(&Refable(&OPERATION)), BlocksValidation),
        ],
    ],
    required: NEEDED_BY_ROOT,
};

/// The Server Object.
pub static SERVER: Object = Object {
    name: "a Server Object",
    fields: &[
        OF_SERVER,
        OF_LABELS,
        &[("host", Text, Note), ("pathname", Text, Note), ("title", Text, Note), ("summary", Text, Note)],
    ],
    required: &[("host", Note), ("protocol", Note)],
};

/// The Channel Object.
pub static CHANNEL: Object = Object {
    name: "a Channel Object",
    fields: &[
        OF_LABELS,
        &[
            ("address", TextOrNull, BlocksRouting),
            ("messages", Map(&Refable(&MESSAGE)), BlocksValidation),
            ("title", Text, Note),
            ("summary", Text, Note),
            ("description", Text, Note),
            ("servers", List(&MAPPING), BlocksRouting),
            ("parameters", Map(&Refable(&PARAMETER)), BlocksRouting),
            ("bindings", Any, Note),
        ],
    ],
    required: &[],
};

/// The Operation Object, and the trait that it may have.
pub static OPERATION: Object = Object {
    name: "an Operation Object",
    fields: &[
        OF_OPERATION,
        OF_LABELS,
        &[
            ("action", Text, BlocksValidation),
            ("channel", Mapping, BlocksValidation),
            ("title", Text, Note),
            ("traits", List(&MAPPING), BlocksValidation),
            ("messages", List(&MAPPING), BlocksValidation),
            ("reply", Refable(&REPLY), BlocksValidation),
        ],
    ],
    required: &[],
};

/// The Operation Reply Object.
pub static REPLY: Object = Object {
    name: "an Operation Reply Object",
    fields: &[&[
        ("address", Any, Note),
        ("channel", Mapping, BlocksValidation),
        ("messages", List(&MAPPING), BlocksValidation),
    ]],
    required: &[],
};

/// The Message Object, and the trait that it may have.
pub static MESSAGE: Object = Object {
    name: "a Message Object",
    fields: &[OF_MESSAGE, OF_LABELS, &[("traits", List(&Refable(&MESSAGE)), BlocksValidation)]],
    required: &[],
};

/// The Parameter Object.
pub static PARAMETER: Object = Object {
    name: "a Parameter Object",
    fields: &[
        OF_PARAMETER,
        &[("enum", List(&TEXT), BlocksRouting), ("default", Text, Note), ("examples", List(&TEXT), Note)],
    ],
    required: &[],
};
