//! Who we are to a server: a name and a password, or a token, from files.

use std::fmt::Write as _;
use std::path::PathBuf;

use reqwest::header::HeaderValue;
use serde::{Deserialize, Serialize};
use trimtab_runtime::SourceError;

use super::Watched;
use crate::SpecError;

/// Who we are. Secrets stand in files, which are read again when they change; one of the two is given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AuthSpec {
    /// A name and a password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basic: Option<BasicAuthSpec>,
    /// A file with a bearer token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bearer_token_file: Option<PathBuf>,
}

/// A name and a password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BasicAuthSpec {
    /// The name.
    pub username: String,
    /// A file with the password.
    pub password_file: PathBuf,
}

/// Makes the header.
#[derive(Debug)]
pub(super) enum Credentials {
    None,
    Basic { username: String, password: Watched },
    Bearer { token: Watched },
}

impl Credentials {
    pub(super) fn new(spec: Option<&AuthSpec>) -> Result<Self, SpecError> {
        let Some(AuthSpec { basic, bearer_token_file }) = spec else { return Ok(Self::None) };
        match (basic, bearer_token_file) {
            (None, None) => Ok(Self::None),
            (None, Some(file)) => Ok(Self::Bearer { token: Watched::new(file) }),
            (Some(basic), None) if basic.username.contains(':') => Err(SpecError::new(format!(
                "`username` is `{}`: a colon can't stand in it",
                basic.username
            ))),
            (Some(basic), None) => Ok(Self::Basic {
                username: basic.username.clone(),
                password: Watched::new(&basic.password_file),
            }),
            (Some(_), Some(_)) => Err(SpecError::new(
                "`auth` has both `basic` and `bearerTokenFile`: a request carries one of them",
            )),
        }
    }

    /// The value of `Authorization` now.
    pub(super) fn header(&self) -> Result<Option<HeaderValue>, SourceError> {
        let text = match self {
            Self::None => return Ok(None),
            Self::Bearer { token } => {
                format!("Bearer {}", token.text().map_err(SourceError::Denied)?)
            }
            Self::Basic { username, password } => {
                let password = password.text().map_err(SourceError::Denied)?;
                format!("Basic {}", base64(format!("{username}:{password}").as_bytes()))
            }
        };
        let mut value = HeaderValue::try_from(text).map_err(|_| {
            SourceError::Denied(String::from("the token or password has control characters"))
        })?;
        value.set_sensitive(true);
        Ok(Some(value))
    }
}

/// Base64 as RFC 4648 has it, which is all that is needed of it here.
fn base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let byte = |index: usize| u32::from(three.get(index).copied().unwrap_or(0));
        let group = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4_usize {
            if digit > three.len() {
                text.push('=');
                continue;
            }
            let shift = 18 - 6 * digit;
            let value = u8::try_from(group >> shift & 63).unwrap_or(0);
            let char = match value {
                0..=25 => b'A' + value,
                26..=51 => b'a' + (value - 26),
                52..=61 => b'0' + (value - 52),
                62 => b'+',
                _ => b'/',
            };
            // Writing to a text can't fail.
            let _written = text.write_char(char::from(char));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_of_the_rfc() {
        for (plain, encoded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
        assert_eq!(base64(&[0xfb, 0xff, 0xfe]), "+//+");
    }

    #[test]
    fn credentials_come_from_files_and_are_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        std::fs::write(&file, "open sesame\n").unwrap();
        let basic = BasicAuthSpec { username: "ali".into(), password_file: file.clone() };
        let spec = AuthSpec { basic: Some(basic), bearer_token_file: None };
        let header = Credentials::new(Some(&spec)).unwrap().header().unwrap().unwrap();
        assert_eq!(header.to_str().unwrap(), "Basic YWxpOm9wZW4gc2VzYW1l");
        assert!(!format!("{header:?}").contains("YWxp"));

        let spec = AuthSpec { bearer_token_file: Some(file.clone()), ..AuthSpec::default() };
        let bearer = Credentials::new(Some(&spec)).unwrap();
        assert_eq!(bearer.header().unwrap().unwrap().to_str().unwrap(), "Bearer open sesame");
        std::fs::remove_file(&file).unwrap();
        assert!(matches!(bearer.header(), Err(SourceError::Denied(_))));
    }
}
