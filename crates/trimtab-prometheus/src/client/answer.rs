//! What a Prometheus answered: series with values, or why not.

use std::collections::BTreeMap;

use reqwest::StatusCode;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
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
    /// Why a part of it is missing, as a server says that asks several stores.
    pub(crate) partial: Option<String>,
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
    /// When it has a native histogram instead of a number.
    pub histograms: Vec<Timestamp>,
}

impl Series {
    /// Its labels as Prometheus writes them, for messages.
    ///
    /// ```
    /// use trimtab_prometheus::Series;
    ///
    /// let labels = [("__name__", "up"), ("job", "a")].map(|(name, value)| (name.into(), value.into()));
    /// let series = Series { labels: labels.into(), ..Series::default() };
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
    data: Option<Data>,
    error_type: Option<String>,
    error: Option<String>,
    #[serde(default)]
    warnings: Vec<String>,
    /// As VictoriaMetrics says it.
    #[serde(default)]
    is_partial: bool,
}

#[derive(Deserialize)]
#[serde(tag = "resultType", content = "result", rename_all = "lowercase")]
enum Data {
    Vector(Vec<Element>),
    Matrix(Vec<Element>),
    Scalar(Point),
}

/// One series of either kind of answer.
#[derive(Deserialize)]
struct Element {
    metric: BTreeMap<String, String>,
    value: Option<Point>,
    #[serde(default)]
    values: Vec<Point>,
    histogram: Option<(f64, IgnoredAny)>,
    #[serde(default)]
    histograms: Vec<(f64, IgnoredAny)>,
}

#[derive(Copy, Clone, Deserialize)]
struct Point(f64, #[serde(deserialize_with = "float")] f64);

/// A float within quotes, where JSON has no word for it.
fn float<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
    text.parse().map_err(|_| serde::de::Error::custom(format!("`{text}` is not a number")))
}

/// Reads an answer of the HTTP API.
pub(super) fn read(status: StatusCode, body: &[u8]) -> Result<Answer, SourceError> {
    if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        return Err(SourceError::Denied(format!("it answers {status}")));
    }
    let envelope = match serde_json::from_slice::<Envelope>(body) {
        Ok(envelope) => envelope,
        Err(error) if status.is_success() => {
            let kind = if !body.trim_ascii_start().starts_with(b"{") {
                String::from("it is no JSON object: is this the address of a Prometheus?")
            } else {
                error.to_string()
            };
            return Err(SourceError::Malformed(kind));
        }
        Err(_) => return Err(without_words(status, body)),
    };
    let partial = partial(&envelope);
    match (envelope.status.as_str(), envelope.data) {
        ("success", Some(data)) if status.is_success() => {
            let mut answer = series(data)?;
            answer.bytes = body.len();
            answer.partial = partial;
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
fn without_words(status: StatusCode, body: &[u8]) -> SourceError {
    match status {
        // As Go says that HTTPS is spoken there.
        StatusCode::BAD_REQUEST
            if body.is_ascii() && !body.starts_with(b"<") && !body.is_empty() =>
        {
            let words = short(String::from_utf8_lossy(body).trim());
            SourceError::Refused(format!("it answers {status}: {words}"))
        }
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

/// Why a part of the answer is missing, if one is: what it warns of beyond the query itself is a store that did not answer.
fn partial(envelope: &Envelope) -> Option<String> {
    let (of_query, of_stores): (Vec<&String>, Vec<&String>) =
        envelope.warnings.iter().partition(|warning| warning.starts_with("PromQL "));
    for warning in of_query {
        debug!(target: "trimtab", warning = short(warning), "a Prometheus warns");
    }
    let of_stores = of_stores.first().map(|warning| short(warning));
    of_stores.or_else(|| envelope.is_partial.then(|| String::from("`isPartial`")))
}

fn series(data: Data) -> Result<Answer, SourceError> {
    let (shape, elements) = match data {
        Data::Vector(elements) => (Shape::Vector, elements),
        Data::Matrix(elements) => (Shape::Matrix, elements),
        Data::Scalar(point) => {
            let series = Series { points: vec![taken(point)?], ..Series::default() };
            return Ok(Answer { shape: Shape::Scalar, series: vec![series], ..Answer::default() });
        }
    };
    let series: Result<_, _> = elements.into_iter().map(Element::into_series).collect();
    Ok(Answer { shape, series: series?, ..Answer::default() })
}

impl Element {
    fn into_series(self) -> Result<Series, SourceError> {
        let points: Result<Vec<_>, _> =
            self.value.into_iter().chain(self.values).map(taken).collect();
        let histograms = self.histogram.into_iter().chain(self.histograms);
        let histograms: Result<Vec<_>, _> = histograms.map(|(at, _)| time(at)).collect();
        let series = Series { labels: self.metric, points: points?, histograms: histograms? };
        if series.points.is_empty() && series.histograms.is_empty() {
            let message = format!("`{}` has neither a value nor a histogram", series.describe());
            return Err(SourceError::Malformed(message));
        }
        Ok(series)
    }
}

fn taken(Point(at, value): Point) -> Result<(Timestamp, f64), SourceError> {
    Ok((time(at)?, value))
}

fn time(seconds: f64) -> Result<Timestamp, SourceError> {
    Timestamp::from_secs_f64(seconds)
        .ok_or_else(|| SourceError::Malformed(format!("`{seconds}` is not a time")))
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
            {"metric":{"x":"1"},"value":[1435781451,"+Inf"]}]},"warnings":["PromQL warning: x"],"infos":["y"]}"#)
        .unwrap();
        assert_eq!(vector.shape, Shape::Vector);
        assert_eq!(vector.series[0].points, [(Timestamp::from_millis(1_435_781_451_781), 1.0)]);
        assert!(vector.series[1].points[0].1.is_nan());
        assert_eq!(vector.series[2].points[0].1, f64::INFINITY);
        assert_eq!(vector.partial, None);

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
    fn native_histograms_stand_beside_numbers() {
        let histogram = r#"{"count":"3","sum":"4.5","buckets":[[0,"0.5","1","3"]]}"#;
        let vector = format!(
            r#"{{"status":"success","data":{{"resultType":"vector","result":[
            {{"metric":{{}},"value":[1,"7"]}},{{"metric":{{"x":"1"}},"histogram":[2.5,{histogram}]}}]}}}}"#
        );
        let vector = ok(&vector).unwrap().series;
        assert_eq!((vector[0].points.len(), vector[0].histograms.len()), (1, 0));
        assert_eq!(vector[1].points, []);
        assert_eq!(vector[1].histograms, [Timestamp::from_millis(2_500)]);
        let matrix = format!(
            r#"{{"status":"success","data":{{"resultType":"matrix","result":[
            {{"metric":{{}},"values":[[1,"7"]],"histograms":[[2,{histogram}],[3,{histogram}]]}}]}}}}"#
        );
        let matrix = ok(&matrix).unwrap().series;
        assert_eq!((matrix[0].points.len(), matrix[0].histograms.len()), (1, 2));
    }

    #[test]
    fn a_part_that_is_missing_is_known() {
        let thanos = ok(r#"{"status":"success","data":{"resultType":"vector","result":[]},
            "warnings":["PromQL info: x","receive series from a: rpc error"]}"#);
        assert_eq!(thanos.unwrap().partial.unwrap(), "receive series from a: rpc error");
        let victoria = ok(
            r#"{"status":"success","isPartial":true,"data":{"resultType":"vector","result":[]}}"#,
        );
        assert_eq!(victoria.unwrap().partial.unwrap(), "`isPartial`");
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
            r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{}}]}}"#,
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
        let https = b"Client sent an HTTP request to an HTTPS server.\n";
        let https = read(StatusCode::BAD_REQUEST, https).unwrap_err().to_string();
        assert!(
            https.ends_with("Bad Request: Client sent an HTTP request to an HTTPS server."),
            "{https}"
        );
        assert_eq!(error(502, "<html>"), "unreachable");
        assert_eq!(error(503, ""), "unreachable");
    }
}
