{{- define "fairlead.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "fairlead.fullname" -}}
{{- $name := include "fairlead.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/*
The name of cluster-wide objects. Operators that watch only some namespaces may be installed many
times, each in a namespace of its own, under one release name.
*/}}
{{- define "fairlead.clusterwideName" -}}
{{- if .Values.watchNamespaces -}}
{{- printf "%s-%s" (include "fairlead.fullname" .) .Release.Namespace -}}
{{- else -}}
{{- include "fairlead.fullname" . -}}
{{- end -}}
{{- end -}}

{{- define "fairlead.selectorLabels" -}}
app.kubernetes.io/name: {{ include "fairlead.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end -}}

{{/* What every object carries; the component is left to the operator's own objects. */}}
{{- define "fairlead.commonLabels" -}}
app.kubernetes.io/name: {{ include "fairlead.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "fairlead.labels" -}}
{{ include "fairlead.commonLabels" . }}
app.kubernetes.io/component: operator
{{- end -}}

{{- define "fairlead.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "fairlead.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "fairlead.image" -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- with .Values.image.digest }}@{{ . }}{{ end -}}
{{- end -}}

{{/* The DNS name by which the API server calls the webhook. */}}
{{- define "fairlead.webhook.host" -}}
{{- printf "%s.%s.svc" (include "fairlead.fullname" .) .Release.Namespace -}}
{{- end -}}

{{- define "fairlead.webhook.secretName" -}}
{{- if eq .Values.webhook.certificate.source "existing" -}}
{{- required "webhook.certificate.source is \"existing\": set webhook.certificate.existing.secretName to the Secret with tls.crt and tls.key" .Values.webhook.certificate.existing.secretName -}}
{{- else -}}
{{- printf "%s-webhook-tls" (include "fairlead.fullname" .) -}}
{{- end -}}
{{- end -}}

{{/*
The chart's own certificate as JSON: {"ca.crt": …, "tls.crt": …, "tls.key": …}, in base64 as a
Secret has them. The Secret of an earlier install is used again, if it is whole: a release keeps its
certificate for life. A new one is remembered in .Values, the one thing that all templates of a
rendering share, as the Secret, the webhook's caBundle and the Deployment's checksum must agree.
*/}}
{{- define "fairlead.webhook.chartCertificate" -}}
{{- if not (hasKey .Values "_chartCertificate") -}}
{{- $found := lookup "v1" "Secret" .Release.Namespace (include "fairlead.webhook.secretName" .) | default dict -}}
{{- $data := $found.data | default dict -}}
{{- if not (and (get $data "ca.crt") (get $data "tls.crt") (get $data "tls.key")) -}}
{{- $host := include "fairlead.webhook.host" . -}}
{{- $ca := genCA (printf "%s-ca" (include "fairlead.fullname" .)) 3650 -}}
{{- $certificate := genSignedCert $host nil (list $host) 3650 $ca -}}
{{- $data = dict "ca.crt" (b64enc $ca.Cert) "tls.crt" (b64enc $certificate.Cert) "tls.key" (b64enc $certificate.Key) -}}
{{- end -}}
{{- $_ := set .Values "_chartCertificate" (pick $data "ca.crt" "tls.crt" "tls.key") -}}
{{- end -}}
{{- toJson (get .Values "_chartCertificate") -}}
{{- end -}}

{{/*
What changes when the webhook's certificate does, for the Deployment. Nothing for cert-manager: its
Secret isn't there yet at the first install, and a checksum that appears with the first upgrade would
restart the operator for nothing.
*/}}
{{- define "fairlead.webhook.checksum" -}}
{{- $source := .Values.webhook.certificate.source -}}
{{- if eq $source "chart" -}}
{{- include "fairlead.webhook.chartCertificate" . | sha256sum -}}
{{- else if eq $source "existing" -}}
{{- $found := lookup "v1" "Secret" .Release.Namespace (include "fairlead.webhook.secretName" .) | default dict -}}
{{- $certificate := get ($found.data | default dict) "tls.crt" -}}
{{- printf "%s %s" $certificate .Values.webhook.certificate.existing.caBundle | sha256sum -}}
{{- end -}}
{{- end -}}

{{/* All that the operator may do, cluster-wide or in each watched namespace. */}}
{{- define "fairlead.rules" -}}
# Workflows are run; those that are called are created, and cancelled by an annotation; what has outlived its
# ttlAfterFinished is deleted.
- apiGroups: [fairlead.dev]
  resources: [workflows]
  verbs: [create, delete, get, list, patch, watch]
# What a run has come to is recorded.
- apiGroups: [fairlead.dev]
  resources: [workflows/status]
  verbs: [patch]
# A template is read when it is called.
- apiGroups: [fairlead.dev]
  resources: [workflowtemplates]
  verbs: [get]
# A Job is one attempt at a job of a workflow, or at many combinations of a matrix: that one is ended by a patch, which
# leaves the Pods that have ended.
- apiGroups: [batch]
  resources: [jobs]
  verbs: [create, delete, get, list, patch, watch]
# A Pod tells how its job goes; one of a Job of many is ended by itself,
- apiGroups: [""]
  resources: [pods]
  verbs: [delete, list, watch]
# and the end of its log has the outputs that are too large for its status.
- apiGroups: [""]
  resources: [pods/log]
  verbs: [get]
# What happens to a workflow is told where kubectl describe shows it; so is why a Job can't have a Pod.
- apiGroups: [""]
  resources: [events]
  verbs: [create, list]
{{- end -}}
