//! Artifacts: values that stages and filters read by name, and that change independently of settings and zones.
//!
//! Lists of names, certificates and client directories have their own sources and update times. A new artifact is
//! built next to the current one and then swapped. [`Artifacts::changed`] makes a set that shares all others, and
//! `Snapshot::with_artifacts` a snapshot that shares settings and zones. A request, including its late answer, uses
//! the artifacts of its snapshot.
//!
//! *Adding a kind of artifact*: use any type that is `Send + Sync`. Its users call `Context::artifact` with this type
//! and the artifact's name.

use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// A value that does not change.
pub type Artifact = Arc<dyn Any + Send + Sync>;

/// The artifacts in use, by name.
#[derive(Clone, Default)]
pub struct Artifacts(Arc<HashMap<Box<str>, Artifact>>);

impl Artifacts {
    /// The artifact *name*. None: there is none, or it is of another type.
    pub fn get<T: Any>(&self, name: &str) -> Option<&T> {
        self.0.get(name)?.downcast_ref()
    }

    /// The artifact *name*, shared.
    pub(crate) fn shared<T: Any + Send + Sync>(&self, name: &str) -> Option<Arc<T>> {
        Arc::clone(self.0.get(name)?).downcast().ok()
    }

    /// The names, in arbitrary order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(|name| &**name)
    }

    /// The set after `changes`. Each change is a name and its new artifact, or None to remove it.
    #[must_use]
    pub fn changed(&self, changes: impl IntoIterator<Item = (String, Option<Artifact>)>) -> Artifacts {
        let mut artifacts = HashMap::clone(&self.0);
        for (name, artifact) in changes {
            match artifact {
                Some(artifact) => artifacts.insert(name.into_boxed_str(), artifact),
                None => artifacts.remove(&*name),
            };
        }
        Artifacts(Arc::new(artifacts))
    }
}

impl fmt::Debug for Artifacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
