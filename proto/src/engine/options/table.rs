//! A row of the table of engine options, and the macro that makes the types from the rows.

use super::{Engine, OPTIONS};
use crate::engine::kind::{EngineKind, Feature};

/// An engine option, apart from properties of a host.
#[derive(Clone, Copy, Debug)]
pub struct EngineOption {
    /// The name in scenarios.
    pub name: &'static str,
    /// The description.
    pub doc: &'static str,
    /// The features that an engine must have to support it.
    pub features: &'static [Feature],
    /// The first Linux release that has it, such as `6.1`.
    pub since: Option<&'static str>,
    /// The call that grants it.
    pub grant: Grant,
    /// Whether it polls the device, which must support that.
    pub polls: bool,
    /// Settings that it requires.
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

    /// The engines that support it.
    pub fn engines(&self) -> impl Iterator<Item = EngineKind> {
        EngineKind::with(self.features)
    }

    /// The first feature that the option needs and an engine lacks.
    #[must_use]
    pub fn lacks(&self, kind: EngineKind) -> Option<Feature> {
        self.features.iter().copied().find(|feature| !kind.has(*feature))
    }

    /// Whether it turns polling on, rather than modifying the polling that another option turns on.
    #[must_use]
    pub fn starts_polling(&self) -> bool {
        self.polls && self.requires.is_empty()
    }

    /// The flags of io_uring_setup that probe it: its own, and those of the options that it requires. `None` if
    /// io_uring_setup does not grant it.
    #[must_use]
    pub fn setup_flags(&self) -> Option<u32> {
        let Grant::Setup(own) = self.grant else { return None };
        let required = self.requires.iter().filter_map(|other| Self::named(other.setting.key));
        Some(required.filter_map(Self::setup_flags).fold(own, |flags, more| flags | more))
    }
}

/// The io_uring_setup flag of an option.
///
/// # Panics
/// If io_uring_setup grants no option with this name; at compile time in a constant.
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

/// Whether two texts are equal, for use in constants.
const fn equal(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let mut at = 0;
    while at < one.len() && at < other.len() && one[at] == other[at] {
        at += 1;
    }
    at == one.len() && at == other.len()
}

/// The call that grants an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    /// None: the host cannot refuse it, or the engine negotiates it by its own means.
    Engine,
    /// io_uring_setup, by this flag. The flag is negotiated with the kernel and probed by `agent probe`.
    Setup(u32),
    /// io_uring_register.
    Register,
    /// None in advance: the option is part of each request of a ring.
    Request,
}

/// A setting that an option requires or excludes.
#[derive(Clone, Copy, Debug)]
pub struct Relation {
    /// The value of the option that the relation applies to; `None`: all.
    pub when: Option<Setting>,
    /// The other setting.
    pub setting: Setting,
    /// The reason.
    pub why: &'static str,
    /// The replacement for the setting, if any.
    pub instead: Option<&'static str>,
}

/// A setting of an engine that other options depend on.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The key, such as `iopoll`.
    pub key: &'static str,
    /// The key with its value, in the notation of scenarios, such as `iopoll: true`.
    pub text: &'static str,
    /// Whether an engine has it.
    pub holds: fn(&Engine) -> bool,
}

/// A [`Setting`] of a key, a value and the test for it.
macro_rules! setting {
    ($key:literal, $value:literal, $holds:expr) => {
        Setting { key: $key, text: concat!($key, ": ", $value), holds: $holds }
    };
}

/// A relation that applies to all values of an option.
pub(super) const fn to(setting: Setting, why: &'static str) -> Relation {
    Relation { when: None, setting, why, instead: None }
}

impl Relation {
    /// Limits the relation to a value of the option.
    pub(super) const fn when(self, when: Setting) -> Self {
        Self { when: Some(when), ..self }
    }

    /// Adds a replacement for the setting.
    pub(super) const fn instead(self, instead: &'static str) -> Self {
        Self { instead: Some(instead), ..self }
    }

    /// Whether the relation applies to an engine whose option is set.
    #[must_use]
    pub fn applies(&self, engine: &Engine) -> bool {
        self.when.is_none_or(|when| (when.holds)(engine))
    }
}

/// The contents of a row beside the field's name, type and default.
pub(super) struct Row {
    pub(super) features: &'static [Feature],
    pub(super) since: Option<&'static str>,
    pub(super) grant: Grant,
    pub(super) polls: bool,
    pub(super) requires: &'static [Relation],
    pub(super) excludes: &'static [Relation],
}

/// A row for engines that have these features.
pub(super) const fn needs(features: &'static [Feature]) -> Row {
    Row { features, since: None, grant: Grant::Engine, polls: false, requires: &[], excludes: &[] }
}

impl Row {
    /// A flag of io_uring_setup, since a Linux release.
    pub(super) const fn setup(self, flag: u32, since: &'static str) -> Self {
        Self { grant: Grant::Setup(flag), since: Some(since), ..self }
    }

    /// Granted by registration with the ring.
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

    /// Requires other settings.
    pub(super) const fn requires(self, requires: &'static [Relation]) -> Self {
        Self { requires, ..self }
    }

    /// Cannot be combined with other settings.
    pub(super) const fn excludes(self, excludes: &'static [Relation]) -> Self {
        Self { excludes, ..self }
    }
}

/// Defines [`Engine`], its groups of options, its flat written form, and the table of options.
///
/// Each row is `/// doc`, `field as "name": type = default, attributes of the flat field => row;`. The name defaults to
/// the field's.
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
        /// An engine and its options. In the written form, the options of all groups stand side by side.
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

        /// The written form of an engine.
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
    // The first name is the option's.
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

pub(super) use {engine_options, setting};
