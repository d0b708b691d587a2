//! Who may do what, with both servers.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::authorization::v1::SelfSubjectAccessReview;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::Discovery;
use kube::api::{Api, ListParams, Patch, PatchParams, PostParams, WatchParams};
use serde_json::json;
use trimtab_apiserver::fixture::refusal;
use trimtab_apiserver::{ApiServer, fixture};

#[tokio::test]
async fn who_has_no_role_may_see_the_discovery_alone() {
    for server in ApiServer::shared().await {
        let client = server.client_of("nobody", &[]);
        Discovery::new(client.clone()).run_aggregated().await.unwrap();
        client.apiserver_version().await.unwrap();
        let pods: Api<Pod> = Api::namespaced(client.clone(), "default");
        let status = refusal(pods.list(&ListParams::default()).await);
        assert_eq!((status.code, status.reason.as_str()), (403, "Forbidden"));
        assert_eq!(
            status.message,
            "pods is forbidden: User \"nobody\" cannot list resource \"pods\" in API group \"\" in the namespace \"default\""
        );
        let nodes: Api<Node> = Api::all(client.clone());
        assert_eq!(
            refusal(nodes.get("n1").await).message,
            "nodes \"n1\" is forbidden: User \"nobody\" cannot get resource \"nodes\" in API group \"\" at the cluster scope"
        );
        let deployments: Api<Deployment> = Api::namespaced(client.clone(), "default");
        assert_eq!(
            refusal(deployments.get_scale("web").await).message,
            "deployments.apps \"web\" is forbidden: User \"nobody\" cannot get resource \"deployments/scale\" in API group \
             \"apps\" in the namespace \"default\""
        );
        let watched = pods.watch(&WatchParams::default(), "0").await;
        assert_eq!(refusal(watched).code, 403);
    }
}

#[tokio::test]
async fn roles_allow_what_they_say() {
    for server in ApiServer::shared().await {
        let admin = server.client();
        fixture::namespace(&admin, "roles").await;
        fixture::namespace(&admin, "elsewhere").await;
        fixture::deployment(&admin, "roles", "web", 3).await;
        let rules = json!([
            {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]},
            {"apiGroups": ["apps"], "resources": ["deployments/scale"], "verbs": ["get", "patch"],
             "resourceNames": ["web"]},
        ]);
        fixture::role(&admin, "roles", "scaler", rules).await;
        let account = "system:serviceaccount:roles:robot";
        fixture::bind_role(&admin, "roles", "scaler", account).await;
        let reading = json!([{"apiGroups": [""], "resources": ["nodes"], "verbs": ["list"]}]);
        fixture::cluster_role(&admin, "roles-nodes", reading).await;
        fixture::bind_cluster_role(&admin, "roles-nodes", account).await;

        let client = server.client_of(account, &[]);
        let list = ListParams::default();
        let within = std::time::Duration::from_secs(10);
        let pods: Api<Pod> = Api::namespaced(client.clone(), "roles");
        // A real one takes a moment to know of a role.
        fixture::eventually(within, "the role holds", async || pods.list(&list).await.ok()).await;
        let nodes: Api<Node> = Api::all(client.clone());
        fixture::eventually(within, "the role holds", async || nodes.list(&list).await.ok()).await;

        let deployments: Api<Deployment> = Api::namespaced(client.clone(), "roles");
        let scaled = Patch::Merge(json!({"spec": {"replicas": 4}}));
        deployments.patch_scale("web", &PatchParams::default(), &scaled).await.unwrap();
        assert_eq!(refusal(deployments.get_scale("other").await).code, 403);
        assert_eq!(refusal(deployments.get("web").await).code, 403);
        let elsewhere: Api<Pod> = Api::namespaced(client.clone(), "elsewhere");
        assert_eq!(refusal(elsewhere.list(&list).await).code, 403);
        assert_eq!(refusal(Api::<Pod>::all(client.clone()).list(&list).await).code, 403);
        assert_eq!(refusal(nodes.get("n1").await).code, 403);

        let may = async |verb: &str, resource: &str, subresource: &str| {
            let reviews: Api<SelfSubjectAccessReview> = Api::all(client.clone());
            let review = serde_json::from_value(json!({"spec": {"resourceAttributes": {
                "namespace": "roles", "verb": verb, "group": "apps", "resource": resource,
                "subresource": subresource, "name": "web",
            }}}));
            let review = reviews.create(&PostParams::default(), &review.unwrap()).await.unwrap();
            review.status.unwrap().allowed
        };
        assert!(may("patch", "deployments", "scale").await);
        assert!(!may("patch", "deployments", "").await);
    }
}

#[tokio::test]
async fn groups_are_bound_as_well() {
    for server in ApiServer::shared().await {
        let client = server.client_of("somebody", &["system:masters"]);
        Api::<Pod>::all(client).list(&ListParams::default()).await.unwrap();
    }
}
