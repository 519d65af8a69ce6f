//! The template's settings: those that the code counts on, those that the local host models, and those
//! that nothing else here would notice, a stand-in for AWS included.

use std::time::Duration;

use agent_management::connection::RESUME_MAX_S;
use agent_management::dynamo::keys;
use agent_management::event::SETTLED_AFTER;
use harness::template::{functions, logical_id, resource, resources_of, template};
use local::host::{FANOUT, FANOUT_PATTERN, INDEXER, INDEXER_PATTERN, JOB_QUEUE};
use local::schedule::RECONCILE_EVERY;
use local::table::table_definition;
use serde_json::{Value, json};

fn properties(logical_id: &str) -> &'static Value {
    &resource(logical_id)["Properties"]
}

#[test]
fn the_table_is_the_one_that_the_tests_run_on() {
    let (deployed, local) = (properties("Table"), table_definition());
    for member in ["AttributeDefinitions", "BillingMode", "GlobalSecondaryIndexes", "KeySchema"] {
        assert_eq!(deployed[member], local[member], "{member}");
    }
    let view = &local["StreamSpecification"]["StreamViewType"];
    assert_eq!(deployed["StreamSpecification"], json!({"StreamViewType": view}));
}

#[test]
fn the_table_is_kept_encrypted_restorable_and_forgets_what_has_expired() {
    let table = properties("Table");
    assert_eq!(table["TimeToLiveSpecification"], json!({"AttributeName": keys::TTL, "Enabled": true}));
    assert_eq!(table["PointInTimeRecoverySpecification"], json!({"PointInTimeRecoveryEnabled": true}));
    assert_eq!(table["SSESpecification"], json!({"SSEEnabled": true}));
    assert_eq!(table["DeletionProtectionEnabled"], json!({"Ref": "TableDeletionProtection"}));
    assert_eq!(template()["Parameters"]["TableDeletionProtection"]["Default"], "true");
    for kept in ["Table", "GivenUpRecords"] {
        let resource = resource(kept);
        assert_eq!(
            (&resource["DeletionPolicy"], &resource["UpdateReplacePolicy"]),
            (&json!("Retain"), &json!("Retain"))
        );
    }
}

#[test]
fn the_stream_s_mappings_are_those_that_the_local_host_models() {
    let mappings: Vec<_> = resources_of("AWS::Lambda::EventSourceMapping")
        .into_iter()
        .filter(|(_, mapping)| mapping["Properties"]["EventSourceArn"]["Fn::GetAtt"][0] == "Table")
        .collect();
    let modelled = [("StreamFanout", FANOUT, FANOUT_PATTERN), ("SearchIndexer", INDEXER, INDEXER_PATTERN)];
    assert_eq!(mappings.len(), modelled.len(), "a stream has room for two readers");
    for (function, settings, modelled) in modelled {
        let is_its = |mapping: &Value| mapping["Properties"]["FunctionName"] == json!({"Ref": function});
        let found = mappings.iter().find(|(_, mapping)| is_its(mapping));
        let mapping = &found.unwrap_or_else(|| panic!("{function} has no mapping")).1["Properties"];
        assert_eq!(mapping["EventSourceArn"], json!({"Fn::GetAtt": ["Table", "StreamArn"]}));
        assert_eq!(mapping["BatchSize"], settings.batch_size);
        assert_eq!(mapping["MaximumRetryAttempts"], settings.maximum_retry_attempts);
        assert_eq!(mapping["MaximumRecordAgeInSeconds"], settings.maximum_record_age.as_secs());
        assert_eq!(mapping["BisectBatchOnFunctionError"], settings.bisect_batch_on_function_error);
        assert_eq!(function, logical_id(settings.name));
        let pattern = mapping["FilterCriteria"]["Filters"][0]["Pattern"].as_str().expect("a pattern");
        let [pattern, modelled] =
            [pattern, modelled].map(|text| serde_json::from_str::<Value>(text).expect("JSON"));
        assert_eq!(pattern, modelled);
        // What the order of events rests on, and what a stand-in ignores.
        assert_eq!(mapping["ParallelizationFactor"], 1);
        assert_eq!(mapping["FunctionResponseTypes"], json!(["ReportBatchItemFailures"]));
        assert_eq!(mapping["StartingPosition"], "TRIM_HORIZON");
        // S3 keeps the record itself; a queue would get only where it was.
        let destination = &mapping["DestinationConfig"]["OnFailure"]["Destination"];
        assert_eq!(destination, &json!({"Fn::GetAtt": ["GivenUpRecords", "Arn"]}));
    }
}

#[test]
fn what_is_late_raises_an_alarm_after_five_minutes() {
    for function in ["StreamFanout", "SearchIndexer"] {
        let alarm = properties(&format!("{function}IsBehind"));
        assert_eq!(
            (&alarm["Namespace"], &alarm["MetricName"]),
            (&json!("AWS/Lambda"), &json!("IteratorAge"))
        );
        assert_eq!(alarm["Dimensions"], json!([{"Name": "FunctionName", "Value": {"Ref": function}}]));
        assert_eq!((&alarm["Threshold"], &alarm["Statistic"]), (&json!(300_000), &json!("Maximum")));
        assert_eq!(alarm["ComparisonOperator"], "GreaterThanThreshold");
        assert_eq!((&alarm["Period"], &alarm["EvaluationPeriods"]), (&json!(60), &json!(1)));
        // Lambda says nothing where there was nothing to do.
        assert_eq!(alarm["TreatMissingData"], "notBreaching");
    }
}

#[test]
fn the_reconciler_runs_as_often_as_on_one_machine() {
    let [(_, schedule)] = resources_of("AWS::Scheduler::Schedule")[..] else {
        panic!("there is one schedule")
    };
    let schedule = &schedule["Properties"];
    assert_eq!(RECONCILE_EVERY.as_hours(), 1);
    assert_eq!(schedule["ScheduleExpression"], "rate(1 hour)");
    assert!(schedule["Name"].is_null(), "a second stack would have the same");
    assert_eq!(schedule["Target"]["Arn"], json!({"Fn::GetAtt": ["StreamFanout", "Arn"]}));
    let input: Value =
        serde_json::from_str(schedule["Target"]["Input"].as_str().expect("an input")).expect("JSON");
    assert!(input.get("Records").is_none(), "it would be taken for a batch: {input}");
}

#[test]
fn the_functions_end_before_others_count_on_it() {
    let timeout = |function| {
        let seconds = properties(function)["Timeout"].as_u64().expect("seconds");
        Duration::from_secs(seconds)
    };
    assert!(timeout("StreamFanout") < SETTLED_AFTER);
    assert!(timeout("Websocket") < Duration::from_secs(RESUME_MAX_S.unsigned_abs()));
    // API Gateway waits no longer than 29 seconds.
    for behind_the_gateway in ["Agents", "Authorizer", "Jobs", "Templates", "Webhooks", "Websocket"] {
        assert!(timeout(behind_the_gateway) <= Duration::from_secs(29));
    }
}

#[test]
fn every_function_is_built_the_same_way_traced_and_logs_to_a_group_that_forgets() {
    for function in functions() {
        let id = logical_id(&function);
        let properties = properties(&id);
        assert_eq!(
            (&properties["Runtime"], &properties["Handler"]),
            (&json!("provided.al2023"), &json!("bootstrap"))
        );
        assert!(
            properties["Timeout"].as_u64() >= Some(10),
            "{function} has SAM's 3 seconds, or fewer than its calls"
        );
        assert_eq!(properties["Architectures"], json!([{"Ref": "Architecture"}]), "{function}");
        assert_eq!(properties["TracingConfig"], json!({"Mode": "Active"}), "{function}");
        assert_eq!(properties["Role"], json!({"Fn::GetAtt": [format!("{id}Role"), "Arn"]}), "{function}");
        assert_eq!(
            properties["LoggingConfig"],
            json!({"LogGroup": {"Ref": format!("{id}Log")}}),
            "{function}"
        );
        let key = properties["Code"]["S3Key"].as_str().expect("where the zip is");
        assert_eq!(key, format!("target/lambda/{function}/bootstrap.zip"));
        let log = &resource(&format!("{id}Log"))["Properties"];
        assert_eq!(log["RetentionInDays"], json!({"Ref": "LogRetentionDays"}), "{function}");
    }
    assert_eq!(resources_of("AWS::Lambda::Function").len(), functions().len(), "no function beside these");
    assert_eq!(template()["Parameters"]["Architecture"]["Default"], "arm64");
}

#[test]
fn a_message_that_can_t_be_handled_ends_in_a_dead_letter_queue() {
    for name in ["Webhook", "Job"] {
        let redrive = &properties(&format!("{name}Queue"))["RedrivePolicy"];
        let dead = format!("{name}DeadLetterQueue");
        assert_eq!(redrive["deadLetterTargetArn"], json!({"Fn::GetAtt": [dead, "Arn"]}));
        assert_eq!(redrive["maxReceiveCount"], 5);
    }
    for (id, queue) in resources_of("AWS::SQS::Queue") {
        assert_eq!(queue["Properties"]["SqsManagedSseEnabled"], true, "{id}");
        // Where nobody takes messages away they stay as long as SQS keeps any: 14 days.
        if !matches!(id, "WebhookQueue" | "JobQueue") {
            assert_eq!(queue["Properties"]["MessageRetentionPeriod"], 14 * 24 * 3_600, "{id}");
        }
    }
}

#[test]
fn the_job_queue_s_mapping_is_the_one_that_the_local_host_models() {
    let mappings = resources_of("AWS::Lambda::EventSourceMapping");
    let is_its = |mapping: &Value| mapping["Properties"]["FunctionName"] == json!({"Ref": "JobWorker"});
    let found = mappings.iter().find(|(_, mapping)| is_its(mapping));
    let mapping = &found.expect("job-worker has a mapping").1["Properties"];
    assert_eq!(mapping["EventSourceArn"], json!({"Fn::GetAtt": ["JobQueue", "Arn"]}));
    assert_eq!(mapping["BatchSize"], JOB_QUEUE.batch_size);
    assert_eq!(mapping["FunctionResponseTypes"], json!(["ReportBatchItemFailures"]));
    let queue = properties("JobQueue");
    let timeout = properties("JobWorker")["Timeout"].as_u64().expect("seconds");
    assert_eq!(queue["VisibilityTimeout"], JOB_QUEUE.visibility_timeout.as_secs());
    assert_eq!(queue["VisibilityTimeout"], 6 * timeout);
    assert_eq!(queue["RedrivePolicy"]["maxReceiveCount"], JOB_QUEUE.max_receive_count);
    // A mapping to a queue and two to the stream, and no other.
    assert_eq!(mappings.len(), 3);
}

#[test]
fn records_that_were_given_up_are_nobody_s_but_the_operator_s() {
    let bucket = properties("GivenUpRecords");
    let block = bucket["PublicAccessBlockConfiguration"].as_object().expect("a block");
    assert!(block.len() == 4 && block.values().all(|blocked| *blocked == json!(true)));
    assert!(bucket["BucketEncryption"].is_object());
    let statement = &properties("GivenUpRecordsPolicy")["PolicyDocument"]["Statement"][0];
    assert_eq!((&statement["Effect"], &statement["Principal"]), (&json!("Deny"), &json!("*")));
    assert_eq!(statement["Condition"], json!({"Bool": {"aws:SecureTransport": false}}));
}

#[test]
fn nothing_is_of_one_account_or_region() {
    let text = template().to_string();
    for particular in ["eu-west-1", "us-east-1", "amazonaws.com/", "arn:aws:"] {
        assert!(!text.contains(particular), "{particular}");
    }
    let is_account = |part: &str| part.len() == 12 && part.bytes().all(|byte| byte.is_ascii_digit());
    assert!(!text.split(':').any(is_account), "an account's number");
}
