//! What a Prometheus answered: series with values, or why not.

use std::collections::BTreeMap;

use prometheus_http_query::response::{Data, PromqlResult, Sample};
use reqwest::StatusCode;
use serde::Deserialize;
use tracing::debug;
use trimtab_metric::Timestamp;
use trimtab_runtime::SourceError;

/// What a query gave.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// What kind of answer it is.
    pub shape: Shape,
    /// The series.
    pub series: Vec<Series>,
    /// How large it was.
    pub(crate) bytes: usize,
}

/// What kind of answer a query gives.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub enum Shape {
    /// A value for each series.
    #[default]
    Vector,
    /// Several values for each series, with their times.
    Matrix,
    /// One number without labels.
    Scalar,
}

/// One series.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// Its labels, with `__name__` if it has one.
    pub labels: BTreeMap<String, String>,
    /// Its values in order of time; any of them may be NaN or infinite.
    pub points: Vec<(Timestamp, f64)>,
}

impl Series {
    /// Its labels as Prometheus writes them, for messages.
    ///
    /// ```
    /// use trimtab_prometheus::Series;
    ///
    /// let labels = [("__name__", "up"), ("job", "a")].map(|(name, value)| (name.into(), value.into()));
    /// let series = Series { labels: labels.into(), points: Vec::new() };
    /// assert_eq!(series.describe(), r#"up{job="a"}"#);
    /// ```
    pub fn describe(&self) -> String {
        let name = self.labels.get("__name__").map_or("", String::as_str);
        let labels: Vec<String> = self
            .labels
            .iter()
            .filter(|(label, _)| *label != "__name__")
            .map(|(label, value)| format!("{label}={value:?}"))
            .collect();
        format!("{name}{{{}}}", labels.join(","))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    status: String,
    data: Option<PromqlResult>,
    error_type: Option<String>,
    error: Option<String>,
    #[serde(default)]
    warnings: Vec<String>,
}

/// Reads an answer of the HTTP API.
pub(super) fn read(status: StatusCode, body: &[u8]) -> Result<Answer, SourceError> {
    if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        return Err(SourceError::Denied(format!("it answers {status}")));
    }
    let envelope = match serde_json::from_slice::<Envelope>(body) {
        Ok(envelope) => envelope,
        Err(error) if status.is_success() => {
            let kind = if body.trim_ascii_start().starts_with(b"<") {
                String::from("it is a page and no JSON: is this the address of a Prometheus?")
            } else {
                error.to_string()
            };
            return Err(SourceError::Malformed(kind));
        }
        Err(_) => return Err(without_words(status)),
    };
    for warning in &envelope.warnings {
        debug!(target: "trimtab", warning = short(warning), "a Prometheus warns");
    }
    match (envelope.status.as_str(), envelope.data) {
        ("success", Some(result)) if status.is_success() => {
            let (data, _) = result.into_inner();
            let mut answer = series(data)?;
            answer.bytes = body.len();
            Ok(answer)
        }
        ("error", _) => {
            let words = short(envelope.error.as_deref().unwrap_or("it does not say why"));
            match envelope.error_type.as_deref() {
                Some("bad_data" | "execution" | "not_found") => Err(SourceError::Refused(words)),
                _ if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS => {
                    Err(SourceError::Refused(words))
                }
                _ => Err(SourceError::Unreachable(words)),
            }
        }
        (other, _) => {
            let other = short(other);
            Err(SourceError::Malformed(format!("its status is `{other}`, without data")))
        }
    }
}

/// What a status says that comes without Prometheus' own words: somebody stands in between.
fn without_words(status: StatusCode) -> SourceError {
    match status {
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => SourceError::Refused(format!(
            "it answers {status}: is this the address of a Prometheus, with the path before `/api/v1`?"
        )),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => {
            SourceError::Unreachable(format!("it answers {status}"))
        }
        status if status.is_redirection() => SourceError::Refused(format!(
            "it answers {status}: write down the address that it points to"
        )),
        status if status.is_client_error() => SourceError::Refused(format!("it answers {status}")),
        status => SourceError::Unreachable(format!("it answers {status}")),
    }
}

fn series(data: Data) -> Result<Answer, SourceError> {
    let mut answer = Answer::default();
    match data {
        Data::Vector(list) => {
            for element in list {
                let (labels, sample) = element.into_inner();
                let labels = labels.into_iter().collect();
                answer.series.push(Series { labels, points: vec![point(&sample)?] });
            }
        }
        Data::Matrix(list) => {
            answer.shape = Shape::Matrix;
            for element in list {
                let (labels, samples) = element.into_inner();
                let labels = labels.into_iter().collect();
                let points: Result<_, _> = samples.iter().map(point).collect();
                answer.series.push(Series { labels, points: points? });
            }
        }
        Data::Scalar(sample) => {
            answer.shape = Shape::Scalar;
            let labels = BTreeMap::new();
            answer.series.push(Series { labels, points: vec![point(&sample)?] });
        }
    }
    Ok(answer)
}

fn point(sample: &Sample) -> Result<(Timestamp, f64), SourceError> {
    let time = Timestamp::from_secs_f64(sample.timestamp())
        .ok_or_else(|| SourceError::Malformed(format!("`{}` is not a time", sample.timestamp())))?;
    Ok((time, sample.value()))
}

/// The beginning of what another wrote, in one line.
fn short(text: &str) -> String {
    let plain = text.chars().map(|char| if char.is_control() { ' ' } else { char });
    plain.take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ok(body: &str) -> Result<Answer, SourceError> {
        read(StatusCode::OK, body.as_bytes())
    }

    #[test]
    fn every_kind_of_answer() {
        let vector = ok(r#"{"status":"success","data":{"resultType":"vector","result":[
            {"metric":{"__name__":"up","job":"a"},"value":[1435781451.781,"1"]},
            {"metric":{},"value":[1435781451,"NaN"]},
            {"metric":{"x":"1"},"value":[1435781451,"+Inf"]}]},"warnings":["partial"]}"#)
        .unwrap();
        assert_eq!(vector.shape, Shape::Vector);
        assert_eq!(vector.series[0].points, [(Timestamp::from_millis(1_435_781_451_781), 1.0)]);
        assert!(vector.series[1].points[0].1.is_nan());
        assert_eq!(vector.series[2].points[0].1, f64::INFINITY);

        let matrix = ok(r#"{"status":"success","data":{"resultType":"matrix","result":[
            {"metric":{"x":"1"},"values":[[1,"1e3"],[2,"-0.5"]]}]}}"#)
        .unwrap();
        assert_eq!((matrix.shape, matrix.series[0].points.len()), (Shape::Matrix, 2));

        let scalar = ok(r#"{"status":"success","data":{"resultType":"scalar","result":[1,"2"]}}"#);
        assert_eq!(scalar.unwrap().shape, Shape::Scalar);
        let empty = ok(r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#);
        assert!(empty.unwrap().series.is_empty());
    }

    #[test]
    fn what_is_no_answer() {
        for body in [
            "",
            "{",
            "null",
            "[]",
            "<html>",
            r#"{"status":"success"}"#,
            r#"{"status":"success","data":null}"#,
            r#"{"status":"splendid","data":{"resultType":"vector","result":[]}}"#,
            r#"{"status":"success","data":{"resultType":"string","result":[1,"x"]}}"#,
            r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"one"]}]}}"#,
            r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1e300,"1"]}]}}"#,
            r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1]}]}}"#,
        ] {
            assert_eq!(ok(body).unwrap_err().cause(), "malformed", "{body}");
        }
    }

    #[test]
    fn errors_by_who_made_the_mistake() {
        let error = |status: u16, body: &str| {
            read(StatusCode::from_u16(status).unwrap(), body.as_bytes()).unwrap_err().cause()
        };
        let words =
            |kind: &str| format!(r#"{{"status":"error","errorType":"{kind}","error":"x"}}"#);
        assert_eq!(error(400, &words("bad_data")), "refused");
        assert_eq!(error(422, &words("execution")), "refused");
        assert_eq!(error(503, &words("timeout")), "unreachable");
        assert_eq!(error(500, &words("internal")), "unreachable");
        assert_eq!(error(429, &words("too_many_requests")), "unreachable");
        assert_eq!(error(401, "no"), "denied");
        assert_eq!(error(403, &words("bad_data")), "denied");
        assert_eq!(error(404, "404 page not found"), "refused");
        assert_eq!(error(302, ""), "refused");
        assert_eq!(error(502, "<html>"), "unreachable");
        assert_eq!(error(503, ""), "unreachable");
    }
}
