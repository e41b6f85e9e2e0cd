//! The steps of one explanation, shared by all clients that got the same answer.
//!
//! A thousand clients may wait for one resolution of hundreds of steps. Each client has an explanation of its own, in which
//! those steps hang below the step that joined the resolution. An explanation holds a reference to the shared steps and the
//! rule that renumbers them; [`Steps::iter`] applies the rule.

use std::borrow::Cow;
use std::sync::Arc;

use crate::trace::Step;
use crate::world::Micros;

/// Steps in the order in which they began. A clone costs a reference count, whatever their number.
#[derive(Clone, Debug, Default)]
pub struct Steps {
    own: Arc<Vec<Step>>,
    pub(crate) joined: Option<Joined>,
}

/// The steps of the resolution that was joined.
#[derive(Clone, Debug)]
pub(crate) struct Joined {
    pub(crate) steps: Arc<Vec<Step>>,
    graft: Graft,
    /// How many of them are shown.
    most: usize,
}

/// How steps of one explanation become steps of another.
#[derive(Clone, Copy, Debug, Default)]
pub struct Graft {
    /// The step that waited for them. None: they follow the others.
    pub parent: Option<u32>,
    /// How many steps there are before them.
    pub base: u32,
    /// When the explanation that they come from began, and the one that they go to.
    pub began: (Micros, Micros),
    /// Whether their time is part of that of others.
    pub parallel: bool,
}

impl Graft {
    /// *step* as a step of the other explanation.
    #[must_use]
    pub fn of(&self, step: &Step) -> Step {
        let mut step = step.clone();
        step.id += self.base;
        step.parent = step.parent.map(|id| id + self.base).or(self.parent);
        step.parallel |= self.parallel;
        // One that began before the question did is shown at its beginning.
        step.at = (self.began.0 + step.at).saturating_sub(self.began.1);
        step
    }

    /// The steps that *steps* and *more*, of the same explanation, have one after the other.
    pub fn append<'s>(steps: &mut Vec<Step>, more: impl IntoIterator<Item = Cow<'s, Step>>) {
        let graft = Graft { base: steps.len() as u32, ..Graft::default() };
        steps.extend(more.into_iter().map(|step| graft.of(&step)));
    }
}

impl Steps {
    /// These steps, and below step *parent* those of *theirs*, no more than *most* in all. `began`: when their explanation
    /// began, and this one.
    pub(crate) fn joining(
        mut own: Vec<Step>,
        parent: u32,
        theirs: &Steps,
        began: (Micros, Micros),
        most: u32,
    ) -> Steps {
        let steps = match theirs.joined {
            None => Arc::clone(&theirs.own),
            Some(_) => Arc::new(theirs.iter().map(Cow::into_owned).collect()),
        };
        // Each of the clients that wait has such a list of few steps.
        own.shrink_to_fit();
        let most = (most as usize).saturating_sub(own.len());
        let graft = Graft { parent: Some(parent), base: own.len() as u32, began, parallel: true };
        Steps { own: Arc::new(own), joined: Some(Joined { steps, graft, most }) }
    }

    /// The steps, one after the other.
    pub fn iter(&self) -> impl Iterator<Item = Cow<'_, Step>> {
        let joined = self.joined.iter().flat_map(|joined| {
            joined.steps.iter().take(joined.most).map(|step| Cow::Owned(joined.graft.of(step)))
        });
        self.own.iter().map(Cow::Borrowed).chain(joined)
    }

    /// The lists of steps: the address of each, and about how many octets it occupies. Explanations that share a list show the
    /// same address.
    pub fn lists(&self) -> impl Iterator<Item = (usize, usize)> {
        /// Octets of the names and texts of a step, about.
        const TEXTS: usize = 64;
        [Some(&self.own), self.joined.as_ref().map(|joined| &joined.steps)].into_iter().flatten().map(
            |list| {
                let octets = list.capacity() * size_of::<Step>() + list.len() * TEXTS;
                (Arc::as_ptr(list) as usize, octets)
            },
        )
    }

    /// How many they are.
    pub fn len(&self) -> usize {
        let joined = self.joined.as_ref().map_or(0, |joined| joined.steps.len().min(joined.most));
        self.own.len() + joined
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl From<Vec<Step>> for Steps {
    fn from(own: Vec<Step>) -> Steps {
        Steps { own: Arc::new(own), joined: None }
    }
}
