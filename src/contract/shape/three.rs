//! The objects of AsyncAPI 3.0 and 3.1.

use super::Shape::{Any, List, Map, Mapping, Object as Obj, Refable, Schema, Text, TextOrNull};
use super::two::{INFO, VARIABLE};
use super::{Object, Shape};
use crate::contract::problem::Level::{BlocksRouting, BlocksValidation, Note};

const TEXT: Shape = Text;
const MAPPING: Shape = Mapping;

/// The document.
pub static ROOT: Object = Object {
    name: "the document",
    fields: &[
        ("asyncapi", Text, BlocksRouting),
        ("id", Text, Note),
        ("info", Obj(&INFO), Note),
        ("servers", Map(&Refable(&SERVER)), Note),
        ("defaultContentType", Text, Note),
        ("channels", Map(&Refable(&CHANNEL)), BlocksRouting),
        ("operations", Map(&Refable(&OPERATION)), BlocksValidation),
        ("components", Mapping, BlocksValidation),
    ],
    required: &[("info", Note), ("channels", BlocksRouting)],
};

/// The Server Object.
pub static SERVER: Object = Object {
    name: "a Server Object",
    fields: &[
        ("host", Text, Note),
        ("protocol", Text, Note),
        ("protocolVersion", Text, Note),
        ("pathname", Text, Note),
        ("title", Text, Note),
        ("summary", Text, Note),
        ("description", Text, Note),
        ("variables", Map(&Refable(&VARIABLE)), Note),
        ("security", List(&Any), Note),
        ("tags", Any, Note),
        ("externalDocs", Any, Note),
        ("bindings", Any, Note),
    ],
    required: &[("host", Note), ("protocol", Note)],
};

/// The Channel Object.
pub static CHANNEL: Object = Object {
    name: "a Channel Object",
    fields: &[
        ("address", TextOrNull, BlocksRouting),
        ("messages", Map(&Refable(&MESSAGE)), BlocksValidation),
        ("title", Text, Note),
        ("summary", Text, Note),
        ("description", Text, Note),
        ("servers", List(&MAPPING), BlocksRouting),
        ("parameters", Map(&Refable(&PARAMETER)), BlocksRouting),
        ("tags", Any, Note),
        ("externalDocs", Any, Note),
        ("bindings", Any, Note),
    ],
    required: &[],
};

/// The Operation Object, and the trait that it may have.
pub static OPERATION: Object = Object {
    name: "an Operation Object",
    fields: &[
        ("action", Text, BlocksValidation),
        ("channel", Mapping, BlocksValidation),
        ("title", Text, Note),
        ("summary", Text, Note),
        ("description", Text, Note),
        ("security", List(&Any), Note),
        ("tags", Any, Note),
        ("externalDocs", Any, Note),
        ("bindings", Any, Note),
        ("traits", List(&MAPPING), BlocksValidation),
        ("messages", List(&MAPPING), BlocksValidation),
        ("reply", Refable(&REPLY), BlocksValidation),
    ],
    required: &[],
};

/// The Operation Reply Object.
pub static REPLY: Object = Object {
    name: "an Operation Reply Object",
    fields: &[
        ("address", Any, Note),
        ("channel", Mapping, BlocksValidation),
        ("messages", List(&MAPPING), BlocksValidation),
    ],
    required: &[],
};

/// The Message Object, and the trait that it may have.
pub static MESSAGE: Object = Object {
    name: "a Message Object",
    fields: &[
        ("headers", Schema, Note),
        ("payload", Any, BlocksValidation),
        ("correlationId", Any, Note),
        ("contentType", Text, BlocksValidation),
        ("name", Text, Note),
        ("title", Text, Note),
        ("summary", Text, Note),
        ("description", Text, Note),
        ("tags", Any, Note),
        ("externalDocs", Any, Note),
        ("bindings", Any, Note),
        ("examples", List(&Any), Note),
        ("traits", List(&Refable(&MESSAGE)), BlocksValidation),
    ],
    required: &[],
};

/// The Parameter Object.
pub static PARAMETER: Object = Object {
    name: "a Parameter Object",
    fields: &[
        ("enum", List(&TEXT), BlocksRouting),
        ("default", Text, Note),
        ("description", Text, Note),
        ("examples", List(&TEXT), Note),
        ("location", Text, Note),
        // That of 2.x, which is read as well.
        ("schema", Schema, BlocksRouting),
    ],
    required: &[],
};
