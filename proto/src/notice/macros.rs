//! The macros that declare notices.

/// Declares an enum of notices on one subject. For each variant:
///
/// ```text
/// /// Its condition: one sentence, which the list of all notices shows.
/// "the-code" Variant {
///     /// A fact.
///     fact: Type,
/// }
/// let derived = expression;                  // any number of these, for the text below
/// message: expression,                       // a `String`; facts are references
/// remedy:
///     if condition => "format string",       // any number of these
///     else => "format string",               // or a macro that makes one without arguments
/// field: expression,                         // optional: the field of the trial at fault
/// weight: expression,                        // optional: an `f64`; of merged notices, the one of the most weight is shown
/// affects_verdicts: expression,              // optional: a `bool`, see `Notice::affects_verdicts`; true unless given
/// ```
///
/// Serialised, an enum has the keys `code` and `facts`.
#[macro_export]
macro_rules! notices {
    (
        $(#[$meta:meta])*
        $vis:vis enum $name:ident {
            $(
                $(#[doc = $when:literal])+
                $code:literal $variant:ident {
                    $( $(#[$fact_meta:meta])* $fact:ident: $type:ty ),* $(,)?
                }
                $(let $local:pat_param = $value:expr;)*
                message: $message:expr,
                remedy:
                    $(if $case:expr => $advice:expr,)*
                    else => $otherwise:expr,
                $(field: $place:expr,)?
                $(weight: $weight:expr,)?
                $(affects_verdicts: $affects:expr,)?
            )+
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, ::serde::Serialize, ::serde::Deserialize)]
        #[serde(tag = "code", content = "facts")]
        $vis enum $name {
            $(
                $(#[doc = $when])+
                #[serde(rename = $code)]
                $variant { $( $(#[$fact_meta])* $fact: $type ),* },
            )+
        }

        impl $name {
            /// All of them, for the list of notices.
            $vis const LIST: &'static [$crate::notice::Entry] = &[
                $(
                    $crate::notice::Entry {
                        code: $code,
                        when: concat!($($when),+),
                        remedies: &[$($advice,)* $otherwise],
                        affects_verdicts: $crate::notice::given_or_true(&[$(stringify!($affects))?]),
                    },
                )+
            ];
        }

        #[allow(unused_variables, clippy::redundant_locals)]
        impl $crate::notice::Notice for $name {
            fn code(&self) -> &str {
                match self {
                    $( Self::$variant { .. } => $code, )+
                }
            }

            fn message(&self) -> String {
                match self {
                    $(
                        Self::$variant { $($fact),* } => {
                            $(let $local = $value;)*
                            $message
                        }
                    )+
                }
            }

            fn remedy(&self) -> String {
                match self {
                    $(
                        Self::$variant { $($fact),* } => {
                            $(let $local = $value;)*
                            $(if $case { return format!($advice); })*
                            format!($otherwise)
                        }
                    )+
                }
            }

            fn field(&self) -> String {
                match self {
                    $(
                        Self::$variant { $($fact),* } => {
                            let place = String::new();
                            $(let place = String::from($place);)?
                            place
                        }
                    )+
                }
            }

            fn weight(&self) -> f64 {
                match self {
                    $(
                        Self::$variant { $($fact),* } => {
                            let weight = 0.0;
                            $(let weight: f64 = $weight;)?
                            weight
                        }
                    )+
                }
            }

            fn affects_verdicts(&self) -> bool {
                match self {
                    $(
                        Self::$variant { $($fact),* } => {
                            let affects = true;
                            $(let affects: bool = $affects;)?
                            affects
                        }
                    )+
                }
            }

            fn facts(&self) -> Option<::serde_json::Value> {
                $crate::notice::facts_of(self)
            }
        }
    };
}

/// Declares a closed enum of the notices on several subjects, and of those of other releases. The documentation of a
/// variant names its subject in the list of all notices.
#[macro_export]
macro_rules! notice_groups {
    (
        $(#[$meta:meta])*
        $vis:vis enum $name:ident {
            $( $(#[doc = $subject:literal])+ $group:ident($type:ty) ),+ $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        $vis enum $name {
            $( $(#[doc = $subject])+ $group($type), )+
            /// A notice of another release.
            Recorded($crate::notice::Recorded),
        }

        impl $name {
            /// All of them by subject, for the list of notices.
            $vis const LISTS: &'static [$crate::notice::Subject] =
                &[$($crate::notice::Subject { title: concat!($($subject),+), entries: <$type>::LIST }),+];

            fn as_notice(&self) -> &dyn $crate::notice::Notice {
                match self {
                    $( Self::$group(notice) => notice, )+
                    Self::Recorded(notice) => notice,
                }
            }

            /// A stable word for programs.
            #[must_use]
            pub fn code(&self) -> &str {
                self.as_notice().code()
            }

            /// One sentence for people.
            #[must_use]
            pub fn message(&self) -> String {
                self.as_notice().message()
            }

            /// The remedy; empty if there is none.
            #[must_use]
            pub fn remedy(&self) -> String {
                self.as_notice().remedy()
            }

            /// The field of the trial at fault; empty if there is none.
            #[must_use]
            pub fn field(&self) -> String {
                self.as_notice().field()
            }
        }

        $(
            impl From<$type> for $name {
                fn from(notice: $type) -> Self {
                    Self::$group(notice)
                }
            }
        )+

        impl $crate::notice::Notice for $name {
            fn code(&self) -> &str {
                self.as_notice().code()
            }

            fn message(&self) -> String {
                self.as_notice().message()
            }

            fn remedy(&self) -> String {
                self.as_notice().remedy()
            }

            fn field(&self) -> String {
                self.as_notice().field()
            }

            fn weight(&self) -> f64 {
                self.as_notice().weight()
            }

            fn affects_verdicts(&self) -> bool {
                self.as_notice().affects_verdicts()
            }

            fn facts(&self) -> Option<::serde_json::Value> {
                self.as_notice().facts()
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.message())
            }
        }

        impl ::serde::Serialize for $name {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                ::serde::Serialize::serialize(&$crate::notice::Notice::written(self), serializer)
            }
        }

        impl From<$crate::notice::Written> for $name {
            fn from(written: $crate::notice::Written) -> Self {
                if let Some(facts) = &written.facts {
                    $(
                        if let Some(notice) = $crate::notice::typed::<$type>(&written.code, facts) {
                            return Self::$group(notice);
                        }
                    )+
                }
                Self::Recorded(written.into())
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $name {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                <$crate::notice::Written as ::serde::Deserialize>::deserialize(deserializer).map(Self::from)
            }
        }
    };
}

/// The remedy for what only the patched kernel can do: where to find that kernel, as a literal for `concat!`.
#[macro_export]
macro_rules! patched_kernel {
    () => {
        "use the patched kernel of kernel/ (`kernel/lab run patched-6.12 -- coordinator run …` boots it in a guest)"
    };
}
