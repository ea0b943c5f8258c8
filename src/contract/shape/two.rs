//! The objects of AsyncAPI 2.0 to 2.6.

use super::Shape::{Any, Flag, List, Map, Mapping, Object as Obj, Refable, Schema, Text};
use super::{Object, Shape};
use crate::contract::problem::Level::{BlocksRouting, BlocksValidation, Note};

const TEXT: Shape = Text;

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
        ("components", Mapping, BlocksValidation),
        ("tags", Any, Note),
        ("externalDocs", Any, Note),
    ],
    required: &[("info", Note), ("channels", BlocksRouting)],
};

/// The Info Object.
pub static INFO: Object = Object {
    name: "the Info Object",
    fields: &[
        ("title", Text, Note),
        ("version", Text, Note),
        ("description", Text, Note),
        ("termsOfService", Text, Note),
        ("contact", Any, Note),
        ("license", Any, Note),
        // 3.x moved these two here.
        ("tags", Any, Note),
        ("externalDocs", Any, Note),
    ],
    required: &[("title", Note), ("version", Note)],
};

/// The Server Object.
pub static SERVER: Object = Object {
    name: "a Server Object",
    fields: &[
        ("url", Text, Note),
        ("protocol", Text, Note),
        ("protocolVersion", Text, Note),
        ("description", Text, Note),
        ("variables", Map(&Refable(&VARIABLE)), Note),
        ("security", List(&Any), Note),
        ("tags", Any, Note),
        ("bindings", Any, Note),
    ],
    required: &[("url", Note), ("protocol", Note)],
};

/// The Server Variable Object.
pub static VARIABLE: Object = Object {
    name: "a Server Variable Object",
    fields: &[
        ("enum", List(&TEXT), Note),
        ("default", Text, Note),
        ("description", Text, Note),
        ("examples", List(&TEXT), Note),
    ],
    required: &[],
};

/// The Channel Item Object.
pub static CHANNEL: Object = Object {
    name: "a Channel Item Object",
    fields: &[
        ("description", Text, Note),
        ("servers", List(&TEXT), BlocksRouting),
        ("subscribe", Obj(&OPERATION), BlocksValidation),
        ("publish", Obj(&OPERATION), BlocksValidation),
        ("parameters", Map(&Refable(&PARAMETER)), BlocksRouting),
        ("bindings", Any, Note),
    ],
    required: &[],
};

/// The Operation Object, and the trait that it may have.
pub static OPERATION: Object = Object {
    name: "an Operation Object",
    fields: &[
        ("operationId", Text, Note),
        ("summary", Text, Note),
        ("description", Text, Note),
        ("security", List(&Any), Note),
        ("tags", Any, Note),
        ("externalDocs", Any, Note),
        ("bindings", Any, Note),
        ("traits", List(&Refable(&OPERATION)), BlocksValidation),
        ("message", Refable(&MESSAGE), BlocksValidation),
    ],
    required: &[],
};

/// The Message Object, and the trait that it may have.
pub static MESSAGE: Object = Object {
    name: "a Message Object",
    fields: &[
        // Of an operation's message only, by the specification; read everywhere.
        ("oneOf", List(&Refable(&MESSAGE)), BlocksValidation),
        ("messageId", Text, Note),
        ("headers", Schema, Note),
        ("payload", Any, BlocksValidation),
        ("correlationId", Any, Note),
        ("schemaFormat", Text, BlocksValidation),
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
        ("description", Text, Note),
        ("schema", Schema, BlocksRouting),
        ("location", Text, Note),
        // Those of OpenAPI, which change nothing.
        ("in", Text, Note),
        ("required", Flag, Note),
        ("example", Any, Note),
        ("examples", Any, Note),
    ],
    required: &[],
};
