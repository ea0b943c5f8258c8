//! Everything that follows from the table of fields in [`super`].

/// Makes of the table: the checked [`Definition`](super::Definition), the two requests that carry one
/// ([`NewDefinition`](super::NewDefinition) and [`NewApi`](super::NewApi)), and what the document reader, the planner and
/// the export need to handle fields by name.
///
/// A line is `"json_name" rust_name: CheckedType as WrittenType, default, [schema];`. `default` makes the field optional:
/// `WrittenType` is then an `Option`, and a field that is absent from a request or a stored revision becomes
/// `CheckedType::default()`. (In a document for an API that exists, the planner then takes the API's current value.)
/// Without `default`, a request or a stored revision without the field is refused. `[schema]` are utoipa's attributes for
/// the requests, if any.
macro_rules! fields {
    ($(
        $(#[doc = $doc:literal])+
        $json:tt $field:ident: $Checked:ty as $Written:ty $(, $default:ident)? $(, [$($schema:tt)*])?;
    )*) => {
        /// An API's definition, checked. Deploying keeps it as a revision, which never changes.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        pub struct Definition {$(
            $(#[doc = $doc])+
            #[serde(rename = $json $(, $default)?)]
            pub $field: $Checked,
        )*}

        /// An API's new definition, whole: a field that is left out has its default. The key cannot be changed.
        #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        #[serde(deny_unknown_fields)]
        pub struct NewDefinition {$(
            $(#[doc = $doc])+
            #[serde(rename = $json $(, $default, skip_serializing_if = "Option::is_none")?)]
            $(#[schema($($schema)*)])?
            pub $field: $Written,
        )*}

        /// A new API: its key and its definition.
        #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        #[serde(deny_unknown_fields)]
        pub struct NewApi {
            /// The version, `major.minor`. It cannot be changed later.
            #[schema(examples("1.0"))]
            pub version: String,
            /// The API's name in paths; derived from `name` if left out. It cannot be changed later.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            #[schema(examples("chat-app-api"))]
            pub identifier: Option<String>,
            /// The project; `default` if left out. It cannot be changed later.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            #[schema(examples("default"))]
            pub project: Option<String>,
            $(
                $(#[doc = $doc])+
                #[serde(rename = $json $(, $default, skip_serializing_if = "Option::is_none")?)]
                $(#[schema($($schema)*)])?
                pub $field: $Written,
            )*
        }

        impl Definition {
            /// The names of all fields, as JSON and YAML spell them.
            pub const FIELDS: &'static [&'static str] = &[$($json),*];

            /// The names of the fields that differ from another definition's.
            #[must_use]
            pub fn differences(&self, other: &Self) -> Vec<&'static str> {
                let mut names = Vec::new();
                $(if self.$field != other.$field {
                    names.push($json);
                })*
                names
            }

            /// Takes every field that is not in `given` from another definition.
            pub fn fill(&mut self, given: &[&str], from: &Self) {
                $(if !given.contains(&$json) {
                    self.$field.clone_from(&from.$field);
                })*
            }
        }

        impl NewDefinition {
            /// Checks every field, or returns `None` after at least one fault was added.
            pub(in crate::api) fn check_into(&self, faults: &mut Faults) -> Option<Definition> {
                $(let $field: Option<$Checked> = self.$field.check($json, faults);)*
                Some(Definition { $($field: $field?),* })
            }

            /// Sets the field of this name; `None` if there is no such field.
            ///
            /// # Errors
            /// The value does not have the field's form.
            pub fn set<'de, D: Deserializer<'de>>(&mut self, name: &str, value: D) -> Option<Result<(), D::Error>> {
                match name {
                    $($json => Some(Deserialize::deserialize(value).map(|value| self.$field = value)),)*
                    _ => None,
                }
            }
        }

        impl From<&Definition> for NewDefinition {
            fn from(definition: &Definition) -> Self {
                Self { $($field: Written::of(&definition.$field)),* }
            }
        }

        impl NewApi {
            /// A new API of this version in the default project, with an identifier that is derived from its name.
            #[must_use]
            pub fn new(version: String, definition: NewDefinition) -> Self {
                Self { version, identifier: None, project: None, $($field: definition.$field),* }
            }

            /// The request that makes an API with this key.
            #[must_use]
            pub fn with_key(key: &ApiKey, definition: NewDefinition) -> Self {
                Self {
                    identifier: Some(key.identifier.to_string()),
                    project: Some(key.project.to_string()),
                    ..Self::new(key.version.to_string(), definition)
                }
            }

            fn definition(&self) -> NewDefinition {
                NewDefinition { $($field: self.$field.clone()),* }
            }
        }
    };
}
pub(super) use fields;
