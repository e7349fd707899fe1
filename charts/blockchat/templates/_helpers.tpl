{{- define "blockchat.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "blockchat.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* Labels of every object. */}}
{{- define "blockchat.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "blockchat.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{/* The members only, not the load generator or the test. */}}
{{- define "blockchat.nodeSelector" -}}
{{ include "blockchat.selector" . }}
app.kubernetes.io/component: node
{{- end -}}

{{- define "blockchat.peers" -}}
{{ include "blockchat.fullname" . }}-peers
{{- end -}}

{{- define "blockchat.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end -}}

{{- define "blockchat.loadtestImage" -}}
{{ .Values.loadtest.image.repository }}:{{ default .Chart.AppVersion .Values.loadtest.image.tag }}
{{- end -}}

{{/* Every member's API, in the order of their pods. */}}
{{- define "blockchat.urls" -}}
{{- $urls := list -}}
{{- range $i := until (int .Values.nodes) -}}
{{- $urls = append $urls (printf "http://%s-%d.%s:8000" (include "blockchat.fullname" $) $i (include "blockchat.peers" $)) -}}
{{- end -}}
{{ join "," $urls }}
{{- end -}}

{{- define "blockchat.apiTokenSecret" -}}
{{ default (printf "%s-tokens" (include "blockchat.fullname" .)) .Values.api.token.existingSecret }}
{{- end -}}

{{- define "blockchat.joinTokenSecret" -}}
{{ default (printf "%s-tokens" (include "blockchat.fullname" .)) .Values.join.token.existingSecret }}
{{- end -}}

{{/* How many members may fail: f = ⌊(n-1)/3⌋. */}}
{{- define "blockchat.faults" -}}
{{ div (sub (int .Values.nodes) 1) 3 }}
{{- end -}}

{{- define "blockchat.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "blockchat.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* A number in a values file arrives as a float, which prints as 1e+06. */}}
{{- define "blockchat.endowment" -}}
{{- if kindIs "string" .Values.endowment -}}{{ .Values.endowment }}{{- else -}}{{ int64 .Values.endowment }}{{- end -}}
{{- end -}}

{{/* What is fixed when a network is founded; its nodes refuse to start with anything else. */}}
{{- define "blockchat.founding" -}}
nodes={{ int .Values.nodes }} capacity={{ int .Values.capacity }} endowment={{ include "blockchat.endowment" . }} ttlBlocks={{ int .Values.ttlBlocks }}
{{- end -}}

{{- define "blockchat.refuseChange" -}}
{{- $found := lookup "apps/v1" "StatefulSet" .Release.Namespace (include "blockchat.fullname" .) -}}
{{- if $found -}}
{{- $was := dig "metadata" "annotations" "blockchat/founding" "" $found -}}
{{- $is := include "blockchat.founding" . -}}
{{- if and $was (ne $was $is) -}}
{{- fail (printf "\n\nnodes, capacity, endowment and ttlBlocks are fixed when a network is founded.\n  founded with: %s\n  asked for:    %s\nInstall another release for another network.\n" $was $is) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Where people find the runbooks: a path of the repository, or the URL below which they are served. */}}
{{- define "blockchat.runbooks" -}}
{{- .Values.metrics.runbooks | default "docs/runbooks" | trimSuffix "/" -}}
{{- end }}
