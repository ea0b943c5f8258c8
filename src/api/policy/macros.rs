//! Everything that follows from the table of policies in [`super`], and values that are words.

/// Makes of the table: a layer ([`PolicyLayer`](super::PolicyLayer)), the values of all policies
/// ([`PolicyValues`](super::PolicyValues)), and their handling by name.
///
/// A line is `"name" field: Type, Live, channel;`. The type is a [`PolicyValue`](super::PolicyValue), which knows how the value
/// is read and shown. `Live` is a variant of [`Live`](super::Live): the moment at which a change of the policy reaches open
/// connections. A line that ends with `channel` is of a policy that a channel may set for itself.
macro_rules! policies {
    ($(
        $(#[doc = $doc:literal])+
        $name:literal $field:ident: $Type:ty, $live:ident $(, $channel:ident)?;
    )*) => {
        /// A layer: values for some of the policies. `None` leaves the policy to the less specific layers.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct PolicyLayer {$(
            $(#[doc = $doc])+
            pub $field: Option<$Type>,
        )*}

        /// A value for every policy: the layer of the node's configuration.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct PolicyValues {$(
            $(#[doc = $doc])+
            pub $field: $Type,
        )*}

        /// Every policy, in the order in which they are listed everywhere.
        pub const POLICIES: &[Policy] = &[$(Policy {
            name: $name,
            form: <$Type as PolicyValue>::FORM,
            live: Live::$live,
            is_of_channel: {
                let channel: &[&str] = &[$(stringify!($channel))?];
                !channel.is_empty()
            },
        }),*];

        /// The JSON schema of each policy's values, with its description, in the order of [`POLICIES`].
        pub(super) fn schemas() -> Vec<utoipa::openapi::schema::ObjectBuilder> {
            vec![$(<$Type as PolicyValue>::schema().description(Some(concat!($($doc),+).trim()))),*]
        }

        impl PolicyLayer {
            /// Sets the policy of this name; `None` if there is no such policy.
            ///
            /// # Errors
            /// The rule that the value breaks.
            pub fn set(&mut self, name: &str, value: &Value) -> Option<Result<(), Fault>> {
                match name {
                    $($name => Some(PolicyValue::from_json(value).map(|value| self.$field = Some(value))),)*
                    _ => None,
                }
            }

            /// The policies that the layer sets, with their values.
            #[must_use]
            pub fn named(&self) -> Vec<(&'static str, Value)> {
                let mut named = Vec::new();
                $(if let Some(value) = &self.$field {
                    named.push(($name, value.to_json()));
                })*
                named
            }
        }

        impl PolicyValues {
            /// Every policy's value, in the order of [`POLICIES`].
            #[must_use]
            pub fn all(&self) -> Vec<Value> {
                vec![$(self.$field.to_json()),*]
            }

            /// Takes the values that a layer sets, and reports the place in [`POLICIES`] of each.
            pub(super) fn take(&mut self, layer: &PolicyLayer, mut taken: impl FnMut(usize)) {
                let mut place = 0_usize;
                $(
                    if let Some(value) = &layer.$field {
                        self.$field.clone_from(value);
                        taken(place);
                    }
                    place = place.saturating_add(1);
                )*
                debug_assert_eq!(place, POLICIES.len());
            }
        }
    };
}
pub(super) use policies;

/// Makes a policy's value of a word out of a few.
macro_rules! words {
    ($Type:ty, $form:literal, [$($word:literal => $value:expr),+]) => {
        impl PolicyValue for $Type {
            const FORM: &'static str = $form;

            fn from_json(value: &Value) -> Result<Self, Fault> {
                match value.as_str() {
                    $(Some($word) => Ok($value),)+
                    Some(_) => Err(Fault::new("value", format!("it must be {}", Self::FORM))),
                    None => Err(Fault::new("type", format!("it must be {}", Self::FORM))),
                }
            }

            fn to_json(&self) -> Value {
                $(if *self == $value {
                    return $word.into();
                })+
                Value::Null
            }

            fn schema() -> ObjectBuilder {
                ObjectBuilder::new().schema_type(Type::String).enum_values(Some([$($word),+]))
            }
        }
    };
}
pub(super) use words;
