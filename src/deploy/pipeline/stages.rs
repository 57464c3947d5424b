//! The stages and their names.

/// A stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    /// The image, or the files.
    Build,
    /// A candidate, on a port of its own.
    Test,
    /// The switch.
    Deploy,
    /// A look at what serves.
    Observe,
}

impl Name {
    /// All, in their order.
    pub const ALL: [Self; 4] = [Self::Build, Self::Test, Self::Deploy, Self::Observe];

    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Build => "build",
            Self::Test => "test",
            Self::Deploy => "deploy",
            Self::Observe => "observe",
        }
    }
}

/// Some stages; each needs those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stages {
    last: Name,
}

impl Stages {
    /// All.
    pub const ALL: Self = Self { last: Name::Observe };

    /// Up to the last of these.
    ///
    /// # Errors
    /// The name of no stage.
    pub fn up_to<'n>(names: impl IntoIterator<Item = &'n str>) -> Result<Self, String> {
        let mut last = Name::Build;
        for name in names {
            let known = Name::ALL.into_iter().find(|known| known.as_str() == name);
            last = last
                .max(known.ok_or_else(|| format!("there is no stage `{name}`: `build`, `test`, `deploy`, `observe`"))?);
        }
        Ok(Self { last })
    }

    /// Whether it is among them.
    pub fn has(self, name: Name) -> bool {
        name <= self.last
    }
}
