//! KEDA's scalers (2.18) whose target is one field of their metadata.

/// What has to be known of a scaler to take its trigger for a metric.
pub(super) struct Scaler {
    /// `type` of the trigger.
    pub(super) type_: &'static str,
    /// The fields that hold the target; the first that is there counts.
    pub(super) target: &'static [&'static str],
    /// The target where none of them is there.
    pub(super) default: Option<&'static str>,
    /// The fields that hold the threshold above which the trigger is active.
    pub(super) activation: &'static [&'static str],
    /// That threshold where none of them is there, if it is not 0.
    pub(super) activation_default: Option<i32>,
    /// Whether the target has to be a whole number.
    pub(super) is_whole: bool,
    /// What KEDA calls the metric: `sN-`, this, and the field of this name.
    pub(super) name: (&'static str, &'static str),
}

/// The scaler of a trigger's `type`.
pub(super) fn scaler(type_: &str) -> Option<&'static Scaler> {
    SCALERS.iter().find(|scaler| scaler.type_ == type_)
}

/// The types of all scalers, for those who mistype one.
pub(super) fn types() -> Vec<&'static str> {
    let all = SCALERS.iter().map(|scaler| scaler.type_);
    all.chain(["cpu", "memory"]).collect()
}

const fn whole(
    type_: &'static str,
    target: &'static [&'static str],
    default: Option<&'static str>,
    activation: &'static [&'static str],
    name: (&'static str, &'static str),
) -> Scaler {
    let is_whole = true;
    Scaler { type_, target, default, activation, activation_default: None, is_whole, name }
}

const fn number(
    type_: &'static str,
    target: &'static [&'static str],
    default: Option<&'static str>,
    activation: &'static [&'static str],
    name: (&'static str, &'static str),
) -> Scaler {
    Scaler { is_whole: false, ..whole(type_, target, default, activation, name) }
}

const THRESHOLD: &[&str] = &["threshold"];
const ACTIVATION_THRESHOLD: &[&str] = &["activationThreshold"];
const TARGET_VALUE: &[&str] = &["targetValue"];
const ACTIVATION_TARGET_VALUE: &[&str] = &["activationTargetValue"];
const QUERY_VALUE: &[&str] = &["queryValue"];
const ACTIVATION_QUERY_VALUE: &[&str] = &["activationQueryValue"];
const TARGET_QUERY_VALUE: &[&str] = &["targetQueryValue"];
const ACTIVATION_TARGET_QUERY_VALUE: &[&str] = &["activationTargetQueryValue"];
const VALUE: &[&str] = &["value"];
const ACTIVATION_VALUE: &[&str] = &["activationValue"];
const LAG: &[&str] = &["lagThreshold"];
const ACTIVATION_LAG: &[&str] = &["activationLagThreshold"];
const QUEUE: &[&str] = &["queueLength"];
const ACTIVATION_QUEUE: &[&str] = &["activationQueueLength"];
const SHARDS: &[&str] = &["shardCount"];
const ACTIVATION_SHARDS: &[&str] = &["activationShardCount"];
const LIST: &[&str] = &["listLength"];
const ACTIVATION_LIST: &[&str] = &["activationListLength"];
const STREAM: &[&str] = &["lagCount", "pendingEntriesCount", "streamLength"];
const ACTIVATION_STREAM: &[&str] = &["activationLagCount"];

static SCALERS: &[Scaler] = &[
    whole(
        "activemq",
        &["targetQueueSize"],
        Some("10"),
        &["activationTargetQueueSize"],
        ("activemq-", "destinationName"),
    ),
    whole("apache-kafka", LAG, Some("10"), ACTIVATION_LAG, ("kafka-", "topic")),
    number("arangodb", QUERY_VALUE, None, ACTIVATION_QUERY_VALUE, ("arangodb", "")),
    Scaler {
        activation_default: Some(10),
        ..whole("artemis-queue", QUEUE, Some("10"), ACTIVATION_QUEUE, ("artemis-", "queueName"))
    },
    number(
        "aws-cloudwatch",
        &["targetMetricValue"],
        None,
        &["activationTargetMetricValue"],
        ("aws-cloudwatch", ""),
    ),
    whole(
        "aws-dynamodb",
        TARGET_VALUE,
        None,
        ACTIVATION_TARGET_VALUE,
        ("aws-dynamodb-", "tableName"),
    ),
    whole(
        "aws-dynamodb-streams",
        SHARDS,
        Some("2"),
        ACTIVATION_SHARDS,
        ("aws-dynamodb-streams-", "tableName"),
    ),
    whole(
        "aws-kinesis-stream",
        SHARDS,
        Some("2"),
        ACTIVATION_SHARDS,
        ("aws-kinesis-", "streamName"),
    ),
    whole("aws-sqs-queue", QUEUE, Some("5"), ACTIVATION_QUEUE, ("aws-sqs-", "queueURL")),
    number(
        "azure-app-insights",
        TARGET_VALUE,
        None,
        ACTIVATION_TARGET_VALUE,
        ("azure-app-insights-", "metricId"),
    ),
    whole(
        "azure-blob",
        &["blobCount"],
        Some("5"),
        &["activationBlobCount"],
        ("azure-blob-", "blobContainerName"),
    ),
    number(
        "azure-data-explorer",
        THRESHOLD,
        None,
        ACTIVATION_THRESHOLD,
        ("azure-data-explorer-", "databaseName"),
    ),
    whole(
        "azure-eventhub",
        &["unprocessedEventThreshold"],
        Some("64"),
        &["activationUnprocessedEventThreshold"],
        ("azure-eventhub-", "consumerGroup"),
    ),
    number(
        "azure-log-analytics",
        THRESHOLD,
        None,
        ACTIVATION_THRESHOLD,
        ("azure-log-analytics-", "workspaceId"),
    ),
    number(
        "azure-monitor",
        TARGET_VALUE,
        None,
        ACTIVATION_TARGET_VALUE,
        ("azure-monitor-", "metricName"),
    ),
    whole(
        "azure-pipelines",
        &["targetPipelinesQueueLength"],
        Some("1"),
        &["activationTargetPipelinesQueueLength"],
        ("azure-pipelines-", "poolID"),
    ),
    whole("azure-queue", QUEUE, Some("5"), ACTIVATION_QUEUE, ("azure-queue-", "queueName")),
    whole(
        "azure-servicebus",
        &["messageCount"],
        Some("5"),
        &["activationMessageCount"],
        ("azure-servicebus-", "queueName"),
    ),
    number("beanstalkd", VALUE, None, ACTIVATION_VALUE, ("beanstalkd-", "tube")),
    whole(
        "cassandra",
        TARGET_QUERY_VALUE,
        None,
        ACTIVATION_TARGET_QUERY_VALUE,
        ("cassandra-", "keyspace"),
    ),
    number(
        "clickhouse",
        TARGET_QUERY_VALUE,
        None,
        ACTIVATION_TARGET_QUERY_VALUE,
        ("clickhouse", ""),
    ),
    whole("couchdb", QUERY_VALUE, None, ACTIVATION_QUERY_VALUE, ("coucdb-", "dbName")),
    number(
        "datadog",
        &["targetValue", "queryValue"],
        None,
        &["activationTargetValue", "activationQueryValue"],
        ("datadog", ""),
    ),
    number("dynatrace", THRESHOLD, None, ACTIVATION_THRESHOLD, ("dynatrace", "")),
    number(
        "elastic-forecast",
        TARGET_VALUE,
        None,
        ACTIVATION_TARGET_VALUE,
        ("elastic-forecast-", "jobID"),
    ),
    number(
        "elasticsearch",
        TARGET_VALUE,
        None,
        ACTIVATION_TARGET_VALUE,
        ("elasticsearch-", "searchTemplateName"),
    ),
    number("etcd", VALUE, None, ACTIVATION_VALUE, ("etcd-", "watchKey")),
    whole("forgejo-runner", &[], Some("1"), &[], ("forgejo", "")),
    number("gcp-cloudtasks", VALUE, Some("100"), ACTIVATION_VALUE, ("gcp-ct-", "queueName")),
    number(
        "gcp-pubsub",
        &["value", "subscriptionSize"],
        Some("10"),
        ACTIVATION_VALUE,
        ("gcp-ps-", "subscriptionName"),
    ),
    number("gcp-spanner", TARGET_VALUE, Some("5"), ACTIVATION_VALUE, ("gcp-spanner", "")),
    number(
        "gcp-stackdriver",
        TARGET_VALUE,
        Some("5"),
        ACTIVATION_TARGET_VALUE,
        ("gcp-stackdriver-", "projectId"),
    ),
    whole(
        "gcp-storage",
        &["targetObjectCount"],
        Some("100"),
        &["activationTargetObjectCount"],
        ("gcp-storage-", "bucketName"),
    ),
    whole(
        "github-runner",
        &["targetWorkflowQueueLength"],
        Some("1"),
        &[],
        ("github-runner-", "owner"),
    ),
    number("graphite", THRESHOLD, Some("100"), ACTIVATION_THRESHOLD, ("graphite", "")),
    number(
        "huawei-cloudeye",
        &["targetMetricValue"],
        None,
        &["activationTargetMetricValue"],
        ("huawei-cloudeye-", "metricName"),
    ),
    whole("ibmmq", &["queueDepth"], Some("20"), &["activationQueueDepth"], ("ibmmq-", "queueName")),
    number(
        "influxdb",
        &["thresholdValue"],
        None,
        &["activationThresholdValue"],
        ("influxdb-", "organizationName"),
    ),
    whole("kafka", LAG, Some("10"), ACTIVATION_LAG, ("kafka-", "topic")),
    number(
        "kubernetes-resource",
        TARGET_VALUE,
        None,
        ACTIVATION_TARGET_VALUE,
        ("kubernetes-resource-", "resourceName"),
    ),
    number("kubernetes-workload", VALUE, None, ACTIVATION_VALUE, ("workload", "")),
    whole("liiklus", LAG, Some("10"), ACTIVATION_LAG, ("liiklus-", "topic")),
    number("loki", THRESHOLD, None, ACTIVATION_THRESHOLD, ("loki", "")),
    number(
        "metrics-api",
        TARGET_VALUE,
        None,
        ACTIVATION_TARGET_VALUE,
        ("metric-api-", "valueLocation"),
    ),
    number("mongodb", QUERY_VALUE, None, ACTIVATION_QUERY_VALUE, ("mongodb-", "collection")),
    number("mssql", TARGET_VALUE, None, ACTIVATION_TARGET_VALUE, ("mssql", "")),
    number("mysql", QUERY_VALUE, None, ACTIVATION_QUERY_VALUE, ("mysql-", "dbName")),
    whole("nats-jetstream", LAG, Some("10"), ACTIVATION_LAG, ("nats-jetstream-", "stream")),
    number("new-relic", THRESHOLD, None, ACTIVATION_THRESHOLD, ("new-relic", "")),
    whole("nsq", &["depthThreshold"], Some("10"), &["activationDepthThreshold"], ("nsq-", "topic")),
    number(
        "opensearch",
        TARGET_VALUE,
        None,
        ACTIVATION_TARGET_VALUE,
        ("opensearch-", "searchTemplateName"),
    ),
    number(
        "openstack-metric",
        THRESHOLD,
        None,
        ACTIVATION_THRESHOLD,
        ("openstack-metric-", "metricID"),
    ),
    whole(
        "openstack-swift",
        &["objectCount"],
        Some("2"),
        &["activationObjectCount"],
        ("openstack-swift-", "containerName"),
    ),
    number(
        "postgresql",
        TARGET_QUERY_VALUE,
        None,
        ACTIVATION_TARGET_QUERY_VALUE,
        ("postgresql", ""),
    ),
    number("prometheus", THRESHOLD, None, ACTIVATION_THRESHOLD, ("prometheus", "")),
    whole(
        "pulsar",
        &["msgBacklogThreshold", "msgBacklog"],
        Some("10"),
        &["activationMsgBacklogThreshold"],
        ("pulsar-", "topic"),
    ),
    number(
        "rabbitmq",
        &["value", "queueLength"],
        Some("20"),
        ACTIVATION_VALUE,
        ("rabbitmq-", "queueName"),
    ),
    whole("redis", LIST, Some("5"), ACTIVATION_LIST, ("redis-", "listName")),
    whole("redis-cluster", LIST, Some("5"), ACTIVATION_LIST, ("redis-", "listName")),
    whole(
        "redis-cluster-streams",
        STREAM,
        Some("5"),
        ACTIVATION_STREAM,
        ("redis-streams-", "stream"),
    ),
    whole("redis-sentinel", LIST, Some("5"), ACTIVATION_LIST, ("redis-", "listName")),
    whole(
        "redis-sentinel-streams",
        STREAM,
        Some("5"),
        ACTIVATION_STREAM,
        ("redis-streams-", "stream"),
    ),
    whole("redis-streams", STREAM, Some("5"), ACTIVATION_STREAM, ("redis-streams-", "stream")),
    whole("selenium-grid", &[], Some("1"), ACTIVATION_THRESHOLD, ("selenium-grid", "")),
    number("solarwinds", TARGET_VALUE, None, ACTIVATION_VALUE, ("solarwinds", "")),
    number("solr", TARGET_QUERY_VALUE, None, ACTIVATION_TARGET_QUERY_VALUE, ("solr", "")),
    whole("splunk", TARGET_VALUE, None, ACTIVATION_VALUE, ("splunk-", "savedSearchName")),
    number("splunk-observability", TARGET_VALUE, None, ACTIVATION_TARGET_VALUE, ("signalfx", "")),
    number("sumologic", THRESHOLD, None, ACTIVATION_THRESHOLD, ("sumologic-", "queryType")),
    whole(
        "temporal",
        &["targetQueueSize"],
        Some("5"),
        &["activationTargetQueueSize"],
        ("temporal-", "taskQueue"),
    ),
    // The scaler itself says its target; these are what such scalers call it.
    number("external", EXTERNAL, None, EXTERNAL_ACTIVATION, ("external", "")),
    number("external-push", EXTERNAL, None, EXTERNAL_ACTIVATION, ("external-push", "")),
];

const EXTERNAL: &[&str] = &["targetValue", "threshold", "target", "targetSize", "value"];
const EXTERNAL_ACTIVATION: &[&str] =
    &["activationTargetValue", "activationThreshold", "activationValue"];

/// Scalers that cannot be a metric, and why.
pub(super) fn refused(type_: &str) -> Option<&'static str> {
    Some(match type_ {
        "cron" => {
            "it follows the clock and reads no load, and policies have no schedules under \
             `strategy: keda`"
        }
        "predictkube" => "it scales by a prediction that a service of its own makes",
        "solace-event-queue" | "solace-direct-messaging" => {
            "it makes several metrics of one trigger, each with a target of its own"
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scaler_is_there_once_and_has_a_target() {
        for scaler in SCALERS {
            assert_eq!(SCALERS.iter().filter(|s| s.type_ == scaler.type_).count(), 1);
            assert!(scaler.default.is_some() || !scaler.target.is_empty(), "{}", scaler.type_);
            assert!(refused(scaler.type_).is_none(), "{}", scaler.type_);
            if let (Some(default), true) = (scaler.default, scaler.is_whole) {
                assert!(default.parse::<i64>().is_ok(), "{}", scaler.type_);
            }
        }
    }
}
