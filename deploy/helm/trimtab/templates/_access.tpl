{{- /* Written by `cargo xtask generate` from what trimtab-kube says it needs. Edit that instead. */}}
{{- define "trimtab.access.controller.namespaces" -}}
rules:
# what is scaled; made where a HorizontalPodAutoscaler asks to be adopted
- apiGroups:
  - trimtab.dev
  resources:
  - scalingpolicies
  verbs:
  - create
  - list
  - watch
# what is said of it, and the state that outlives a restart
- apiGroups:
  - trimtab.dev
  resources:
  - scalingpolicies/status
  verbs:
  - get
  - patch
# the count
- apiGroups:
  - apps
  resources:
  - deployments/scale
  - replicasets/scale
  - statefulsets/scale
  verbs:
  - get
  - patch
# where its pods begin to be numbered
- apiGroups:
  - apps
  resources:
  - statefulsets
  verbs:
  - get
# replicas; the marks of those that drain or are to go first
- apiGroups:
  - ""
  resources:
  - pods
  verbs:
  - get
  - list
  - patch
  - watch
# what may be taken down
- apiGroups:
  - policy
  resources:
  - poddisruptionbudgets
  verbs:
  - list
  - watch
# who else scales the same, and who is to be adopted
- apiGroups:
  - autoscaling
  resources:
  - horizontalpodautoscalers
  verbs:
  - list
  - watch
# who else scales the same
- apiGroups:
  - keda.sh
  resources:
  - scaledobjects
  verbs:
  - list
# who else scales the same
- apiGroups:
  - autoscaling.aibrix.ai
  - autoscaling.internal.knative.dev
  resources:
  - podautoscalers
  verbs:
  - list
# Resource metrics
- apiGroups:
  - metrics.k8s.io
  resources:
  - pods
  verbs:
  - list
# Pods and Object metrics
- apiGroups:
  - custom.metrics.k8s.io
  resources:
  - "*"
  verbs:
  - get
# External metrics
- apiGroups:
  - external.metrics.k8s.io
  resources:
  - "*"
  verbs:
  - list
# what is told of a policy
- apiGroups:
  - events.k8s.io
  resources:
  - events
  verbs:
  - create
  - patch
{{- end }}
{{- define "trimtab.access.controller.cluster" -}}
rules:
# zones, and which nodes are ready
- apiGroups:
  - ""
  resources:
  - nodes
  verbs:
  - list
  - watch
# nodes on their way, and what pools may have
- apiGroups:
  - karpenter.sh
  resources:
  - nodeclaims
  - nodepools
  verbs:
  - list
  - watch
{{- end }}
{{- define "trimtab.access.controller.own" -}}
rules:
# which replica of the controller decides
- apiGroups:
  - coordination.k8s.io
  resources:
  - leases
  verbs:
  - create
  - list
  - update
{{- end }}
{{- define "trimtab.access.keda-scaler.namespaces" -}}
rules:
# the count
- apiGroups:
  - apps
  resources:
  - deployments/scale
  - replicasets/scale
  - statefulsets/scale
  verbs:
  - get
{{- end }}
