//! An object with its traits as layers. In 2.x a trait is merged over the object (JSON Merge Patch, in the order of the list);
//! in 3.x a trait never replaces what the object has. Nothing is copied: the first layer that has a field gives it.

use super::context::Context;
use crate::contract::document::Value;
use crate::contract::problem::Level;
use crate::contract::shape::Object;
use crate::contract::version::Major;

/// An object and its traits, the one that wins first.
#[derive(Clone, Debug)]
pub(super) struct Layers<'l>(Vec<Value<'l>>);

impl<'l> Layers<'l> {
    /// An object, which is no reference, with its traits.
    pub(super) fn of(context: &mut Context<'l, '_>, value: Value<'l>, object: &'static Object) -> Self {
        let traits = value.get("traits").into_iter().flat_map(Value::items);
        let traits: Vec<Value<'l>> = traits.take_while(|_| context.may_use(1)).collect();
        let traits: Vec<Value<'l>> =
            traits.into_iter().filter_map(|one| context.object(one, object, Level::BlocksValidation)).collect();
        // The last trait of the list wins over those before it.
        let traits = traits.into_iter().rev();
        match context.major {
            Major::Two => Self(traits.chain([value]).collect()),
            Major::Three => Self([value].into_iter().chain(traits).collect()),
        }
    }

    /// An object without traits.
    pub(super) fn plain(value: Value<'l>) -> Self {
        Self(vec![value])
    }

    /// The names of all fields.
    pub(super) fn names(&self) -> impl Iterator<Item = &'l str> {
        self.0.iter().flat_map(|layer| layer.fields().map(|(name, _)| name))
    }

    /// A field. Null in the winning layer removes it.
    pub(super) fn get(&self, name: &str) -> Option<Value<'l>> {
        self.0.iter().find_map(|layer| layer.get(name)).filter(|value| !value.is_null())
    }

    /// A field's text.
    pub(super) fn text(&self, context: &Context<'l, '_>, name: &str) -> Option<String> {
        self.get(name)?.text().filter(|text| context.may_copy(text.len())).map(str::to_owned)
    }

    /// The mapping below a field, merged over all layers that have one.
    pub(super) fn below(&self, context: &mut Context<'l, '_>, name: &str) -> Self {
        let mut layers = Vec::new();
        for value in self.0.iter().filter_map(|layer| layer.get(name)) {
            match context.resolved(value, Level::Note) {
                Some(found) if found.is_mapping() => layers.push(found),
                // What is no mapping replaces all that is below it.
                Some(_) => break,
                None => {}
            }
        }
        Self(layers)
    }

    /// True if no layer is a mapping.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
