//! What the table of engine options says of each option, and the macro that makes the types of it.

use super::{Engine, EngineKind, Feature, OPTIONS};

/// An engine option: everything about it that is not specific to one host.
#[derive(Clone, Copy, Debug)]
pub struct EngineOption {
    /// The name in scenarios.
    pub name: &'static str,
    /// What it does.
    pub doc: &'static str,
    /// What an engine must have to support it.
    pub features: &'static [Feature],
    /// The first Linux release that has it, such as `6.1`.
    pub since: Option<&'static str>,
    /// Who grants it.
    pub grant: Grant,
    /// Whether it polls the device, which the device must support.
    pub polls: bool,
    /// Settings that it needs.
    pub requires: &'static [Relation],
    /// Settings that it cannot be combined with.
    pub excludes: &'static [Relation],
    /// Whether it differs from its default.
    pub is_set: fn(&Engine) -> bool,
    /// Sets it to its default.
    pub reset: fn(&mut Engine),
}

impl EngineOption {
    /// The option with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        OPTIONS.iter().find(|option| option.name == name)
    }

    /// The path of the option within a trial.
    #[must_use]
    pub fn field(&self) -> String {
        format!("engine.{}", self.name)
    }

    /// The first feature that the option needs and an engine lacks.
    #[must_use]
    pub fn lacks(&self, kind: EngineKind) -> Option<Feature> {
        self.features.iter().copied().find(|feature| !kind.has(*feature))
    }

    /// Whether it polls the device by itself, and is not a way of polling that another option turns on.
    #[must_use]
    pub fn starts_polling(&self) -> bool {
        self.polls && self.requires.is_empty()
    }

    /// The flags of io_uring_setup that it needs to be probed: its own and those of the options that it requires.
    /// `None` where io_uring_setup does not grant it.
    #[must_use]
    pub fn setup_flags(&self) -> Option<u32> {
        let Grant::Setup(own) = self.grant else { return None };
        let required = self.requires.iter().filter_map(|other| Self::named(other.setting.key()));
        Some(required.filter_map(Self::setup_flags).fold(own, |flags, more| flags | more))
    }
}

/// The flag of io_uring_setup of an option.
///
/// # Panics
/// Where io_uring_setup grants no option with this name; at compile time, where a constant is made of it.
#[must_use]
pub const fn setup_flag(name: &str) -> u32 {
    let mut at = 0;
    while at < OPTIONS.len() {
        if let (Grant::Setup(flag), true) = (OPTIONS[at].grant, equal(OPTIONS[at].name, name)) {
            return flag;
        }
        at += 1;
    }
    panic!("io_uring_setup grants no option with this name")
}

/// Whether two texts are the same, in constants.
const fn equal(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let mut at = 0;
    while at < one.len() && at < other.len() && one[at] == other[at] {
        at += 1;
    }
    at == one.len() && at == other.len()
}

/// Who grants an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    /// Ringbench alone: nothing on the host can refuse it, or the engine negotiates it by its own means.
    Engine,
    /// io_uring_setup, by this flag. It is negotiated with the kernel and probed by `agent probe`.
    Setup(u32),
    /// io_uring_register.
    Register,
    /// Nobody in advance: it is part of each request of a ring.
    Request,
}

/// What an option needs, or cannot be combined with.
#[derive(Clone, Copy, Debug)]
pub struct Relation {
    /// The values of the option that this applies to; `None`: all.
    pub when: Option<Setting>,
    /// The other setting.
    pub setting: Setting,
    /// The reason.
    pub why: &'static str,
    /// What to use instead, if anything.
    pub instead: Option<&'static str>,
}

/// A setting of an engine that other options depend on.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// As it is written in a scenario, such as `iopoll: true`.
    pub text: &'static str,
    /// Whether an engine has it.
    pub holds: fn(&Engine) -> bool,
}

impl Setting {
    /// The key without the value.
    #[must_use]
    pub fn key(&self) -> &'static str {
        self.text.split(':').next().unwrap_or(self.text)
    }
}

/// A relation that applies to all values of an option.
pub(super) const fn to(setting: Setting, why: &'static str) -> Relation {
    Relation { when: None, setting, why, instead: None }
}

impl Relation {
    /// The same, for some values of the option only.
    pub(super) const fn when(self, when: Setting) -> Self {
        Self { when: Some(when), ..self }
    }

    /// The same, with what to use instead.
    pub(super) const fn instead(self, instead: &'static str) -> Self {
        Self { instead: Some(instead), ..self }
    }

    /// Whether it applies to an engine whose option is set.
    #[must_use]
    pub fn applies(&self, engine: &Engine) -> bool {
        self.when.is_none_or(|when| (when.holds)(engine))
    }
}

/// What a row of the table says beside the field's name, type and default.
pub(super) struct Row {
    pub(super) features: &'static [Feature],
    pub(super) since: Option<&'static str>,
    pub(super) grant: Grant,
    pub(super) polls: bool,
    pub(super) requires: &'static [Relation],
    pub(super) excludes: &'static [Relation],
}

/// An option of engines that have some features.
pub(super) const fn needs(features: &'static [Feature]) -> Row {
    Row { features, since: None, grant: Grant::Engine, polls: false, requires: &[], excludes: &[] }
}

impl Row {
    /// A flag of io_uring_setup, since a Linux release.
    pub(super) const fn setup(self, flag: u32, since: &'static str) -> Self {
        Self { grant: Grant::Setup(flag), since: Some(since), ..self }
    }

    /// Registered with the ring.
    pub(super) const fn register(self) -> Self {
        Self { grant: Grant::Register, ..self }
    }

    /// Part of each request.
    pub(super) const fn request(self) -> Self {
        Self { grant: Grant::Request, ..self }
    }

    /// The first Linux release that has it.
    pub(super) const fn since(self, release: &'static str) -> Self {
        Self { since: Some(release), ..self }
    }

    /// Polls the device.
    pub(super) const fn polls(self) -> Self {
        Self { polls: true, ..self }
    }

    /// Needs other settings.
    pub(super) const fn requires(self, requires: &'static [Relation]) -> Self {
        Self { requires, ..self }
    }

    /// Cannot be combined with other settings.
    pub(super) const fn excludes(self, excludes: &'static [Relation]) -> Self {
        Self { excludes, ..self }
    }
}

/// Defines [`Engine`], its groups of options, the flat form in which it is written, and the table of options.
///
/// Each row is `/// doc`, `field as "name": type = default, attributes of the flat field => row;`. The name is the
/// field's own where it is left out.
macro_rules! engine_options {
    (
        $(
            $(#[doc = $group_doc:literal])+
            $group:ident: $Group:ident {
                $(
                    $(#[doc = $doc:literal])+
                    $field:ident $(as $name:literal)?: $type:ty = $default:expr $(, $attribute:meta)* => $row:expr;
                )+
            }
        )+
        {
            $(
                $(#[doc = $own_doc:literal])+
                $own:ident: $own_type:ty = $own_default:expr $(, $own_attribute:meta)* => $own_row:expr;
            )+
        }
    ) => {
        /// One way to do the I/O. Written without groups: the options of all groups stand side by side.
        #[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(from = "EngineForm", into = "EngineForm")]
        #[schemars(with = "EngineForm")]
        pub struct Engine {
            /// The engine.
            pub kind: EngineKind,
            $($(#[doc = $group_doc])+ pub $group: $Group,)+
            $($(#[doc = $own_doc])+ pub $own: $own_type,)+
        }

        $(
            $(#[doc = $group_doc])+
            #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
            pub struct $Group {
                $($(#[doc = $doc])+ pub $field: $type,)+
            }

            impl Default for $Group {
                fn default() -> Self {
                    Self { $($field: $default,)+ }
                }
            }
        )+

        /// An engine as it is written.
        #[derive(Clone, Serialize, Deserialize, JsonSchema)]
        #[serde(rename = "Engine", deny_unknown_fields)]
        struct EngineForm {
            /// The engine.
            engine: EngineKind,
            $($(
                $(#[doc = $doc])+
                $(#[serde(rename = $name)])?
                $(#[$attribute])*
                $field: $type,
            )+)+
            $(
                $(#[doc = $own_doc])+
                $(#[$own_attribute])*
                $own: $own_type,
            )+
        }

        impl From<EngineForm> for Engine {
            fn from(form: EngineForm) -> Self {
                Self {
                    kind: form.engine,
                    $($group: $Group { $($field: form.$field,)+ },)+
                    $($own: form.$own,)+
                }
            }
        }

        impl From<Engine> for EngineForm {
            fn from(engine: Engine) -> Self {
                Self {
                    engine: engine.kind,
                    $($($field: engine.$group.$field,)+)+
                    $($own: engine.$own,)+
                }
            }
        }

        impl Engine {
            /// The engine with every option at its default.
            #[must_use]
            pub fn new(kind: EngineKind) -> Self {
                Self { kind, $($group: $Group::default(),)+ $($own: $own_default,)+ }
            }
        }

        /// All options but the engine itself, in the order in which they are written.
        pub const OPTIONS: &[EngineOption] = &[
            $($(engine_options!(@option
                [$(#[doc = $doc])+] [$($name)? stringify!($field)] $row;
                |engine| engine.$group.$field, $default
            ),)+)+
            $(engine_options!(@option
                [$(#[doc = $own_doc])+] [stringify!($own)] $own_row;
                |engine| engine.$own, $own_default
            ),)+
        ];
    };
    // The first of the names is the name.
    (@option [$(#[doc = $doc:literal])+] [$name:literal $($rest:tt)*] $row:expr;
        |$engine:ident| $place:expr, $default:expr) => {
        engine_options!(@row [$($doc)+] $name, $row, |$engine| $place, $default)
    };
    (@option [$(#[doc = $doc:literal])+] [$name:expr] $row:expr;
        |$engine:ident| $place:expr, $default:expr) => {
        engine_options!(@row [$($doc)+] $name, $row, |$engine| $place, $default)
    };
    (@row [$($doc:literal)+] $name:expr, $row:expr, |$engine:ident| $place:expr, $default:expr) => {{
        const ROW: Row = $row;
        EngineOption {
            name: $name,
            doc: concat!($($doc),+),
            features: ROW.features,
            since: ROW.since,
            grant: ROW.grant,
            polls: ROW.polls,
            requires: ROW.requires,
            excludes: ROW.excludes,
            is_set: |$engine| $place != $default,
            reset: |$engine| $place = $default,
        }
    }};
}

pub(super) use engine_options;
