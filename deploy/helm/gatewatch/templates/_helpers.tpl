{{- define "gatewatch.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "gatewatch.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "gatewatch.labels" -}}
{{ include "gatewatch.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "gatewatch.serviceAccount" -}}
{{ .Values.serviceAccount.name | default (include "gatewatch.name" .) }}
{{- end }}

{{- define "gatewatch.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{/* A pod as everyone's: (dict "root" $ "volumes" (list of volumes)). */}}
{{- define "gatewatch.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile: {type: RuntimeDefault}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.affinity }}
affinity: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}

{{- define "gatewatch.container" -}}
image: {{ include "gatewatch.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{/* Who we are to brokers: (dict "of" .Values.kafka "prefix" "GATEWATCH_KAFKA" "file" "/run/kafka/password"). */}}
{{- define "gatewatch.sasl" -}}
{{- if .of.sasl }}
- {name: {{ .prefix }}_SASL, value: {{ .of.sasl | quote }}}
{{- if eq .of.sasl "OAUTHBEARER" }}
- {name: {{ .prefix }}_OAUTH_URL, value: {{ .of.oauth.url | quote }}}
- {name: {{ .prefix }}_OAUTH_CLIENT, value: {{ .of.oauth.client | quote }}}
- {name: {{ .prefix }}_OAUTH_SCOPE, value: {{ .of.oauth.scope | quote }}}
- {name: {{ .prefix }}_OAUTH_SECRET_FILE, value: {{ .file }}}
{{- else }}
- {name: {{ .prefix }}_USERNAME, value: {{ .of.username | quote }}}
- {name: {{ .prefix }}_PASSWORD_FILE, value: {{ .file }}}
{{- end }}
{{- end }}
{{- end }}

{{/* Settings that every service reads. */}}
{{- define "gatewatch.environment" -}}
- {name: GATEWATCH_LOG_LEVEL, value: {{ .Values.logLevel | quote }}}
- {name: GATEWATCH_RETENTION_DAYS, value: {{ .Values.retentionDays | quote }}}
{{- with .Values.kafka }}
{{- if .bootstrap }}
- {name: GATEWATCH_KAFKA_BOOTSTRAP, value: {{ .bootstrap | quote }}}
- {name: GATEWATCH_KAFKA_SECURITY, value: {{ .security | quote }}}
{{- include "gatewatch.sasl" (dict "of" . "prefix" "GATEWATCH_KAFKA" "file" "/run/kafka/password") }}
{{- if .ca.secret }}
- {name: GATEWATCH_KAFKA_CA, value: /run/kafka-ca/ca.crt}
{{- end }}
{{- end }}
{{- end }}
{{- range $name, $value := .Values.settings }}
- {name: {{ $name }}, value: {{ $value | quote }}}
{{- end }}
{{- end }}

{{- define "gatewatch.connectorEnvironment" -}}
{{- with .Values.connector }}
{{- $topics := list }}
{{- range $topic, $source := .topics }}{{ $topics = append $topics (printf "%s=%s" $topic $source) }}{{ end }}
- {name: GATEWATCH_CONNECTOR_TOPICS, value: {{ join "," $topics | quote }}}
{{- if .bootstrap }}
- {name: GATEWATCH_CONNECTOR_BOOTSTRAP, value: {{ .bootstrap | quote }}}
- {name: GATEWATCH_CONNECTOR_SECURITY, value: {{ .security | quote }}}
{{- include "gatewatch.sasl" (dict "of" . "prefix" "GATEWATCH_CONNECTOR" "file" "/run/connector/password") }}
{{- end }}
{{- end }}
{{- end }}

{{- define "gatewatch.geoEnvironment" -}}
{{- with .Values.geo }}
{{- if .city }}
- {name: GATEWATCH_GEO_CITY, value: {{ .city | quote }}}
{{- end }}
{{- if .asn }}
- {name: GATEWATCH_GEO_ASN, value: {{ .asn | quote }}}
{{- end }}
{{- end }}
{{- end }}

{{/* A Secret's key as a file: (dict "name" "database" "from" .Values.database.app "file" "url"). */}}
{{- define "gatewatch.secretVolume" -}}
- name: {{ .name }}
  secret:
    secretName: {{ .from.secret }}
    defaultMode: 0440
    items: [{key: {{ .from.key }}, path: {{ .file }}}]
{{- end }}

{{/* What connects to the database and the log: (dict "root" $ "database" .Values.database.app). */}}
{{- define "gatewatch.volumes" -}}
- name: tmp
  emptyDir: {medium: Memory, sizeLimit: 64Mi}
{{ include "gatewatch.secretVolume" (dict "name" "database" "from" .database "file" "url") }}
{{- with .root.Values.database.ca }}{{ if .secret }}
{{ include "gatewatch.secretVolume" (dict "name" "database-ca" "from" . "file" "ca.crt") }}
{{- end }}{{ end }}
{{- with .root.Values.kafka }}{{ if .bootstrap }}
{{- if .sasl }}
{{ include "gatewatch.secretVolume" (dict "name" "kafka" "from" .password "file" "password") }}
{{- end }}
{{- if .ca.secret }}
{{ include "gatewatch.secretVolume" (dict "name" "kafka-ca" "from" .ca "file" "ca.crt") }}
{{- end }}
{{- end }}{{ end }}
{{- end }}

{{- define "gatewatch.mounts" -}}
- {name: tmp, mountPath: /tmp}
- {name: database, mountPath: /run/database, readOnly: true}
{{- if .Values.database.ca.secret }}
- {name: database-ca, mountPath: /run/database-ca, readOnly: true}
{{- end }}
{{- if .Values.kafka.bootstrap }}
{{- if .Values.kafka.sasl }}
- {name: kafka, mountPath: /run/kafka, readOnly: true}
{{- end }}
{{- if .Values.kafka.ca.secret }}
- {name: kafka-ca, mountPath: /run/kafka-ca, readOnly: true}
{{- end }}
{{- end }}
{{- end }}

{{- define "gatewatch.metricsEnvironment" -}}
{{- if .Values.metrics.port }}
- {name: GATEWATCH_METRICS_HOST, value: 0.0.0.0}
- {name: GATEWATCH_METRICS_PORT, value: {{ .Values.metrics.port | quote }}}
{{- end }}
{{- end }}

{{/* Pods of one service go to different nodes where they can: (dict "root" $ "service" "ingest"). */}}
{{- define "gatewatch.spread" -}}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "gatewatch.selector" .root | nindent 8 }}
        app.kubernetes.io/component: {{ .service }}
{{- end }}

{{/* Secrets are referred to; what is missing is named before anything is made. */}}
{{- define "gatewatch.check" -}}
{{- if .Values.prepare.enabled }}
{{- $owner := required "database.owner.secret: the Secret with the owner's connection string is needed" .Values.database.owner.secret }}
{{- end }}
{{- if or .Values.detector.enabled .Values.notifier.enabled }}
{{- $worker := required "database.worker.secret: the Secret with the connection string of detectors and notifiers is needed" .Values.database.worker.secret }}
{{- end }}
{{- if or .Values.ingest.enabled .Values.decide.enabled .Values.app.enabled }}
{{- $app := required "database.app.secret: the Secret with the API's connection string is needed" .Values.database.app.secret }}
{{- end }}
{{- if .Values.connector.enabled }}
{{- $connected := required "database.app.secret: the Secret with the connector's connection string is needed" .Values.database.app.secret }}
{{- $brokers := required "connector.bootstrap: the brokers of the vendors' topics are needed" (.Values.connector.bootstrap | default .Values.kafka.bootstrap) }}
{{- if not .Values.connector.topics }}{{ fail "connector.topics: a connector needs topics" }}{{ end }}
{{- if .Values.connector.sasl }}
{{- $vendor := required "connector.password.secret: SASL needs a Secret with the password" .Values.connector.password.secret }}
{{- end }}
{{- end }}
{{- if .Values.kafka.sasl }}
{{- $password := required "kafka.password.secret: SASL needs a Secret with the password" .Values.kafka.password.secret }}
{{- end }}
{{- if .Values.simulator.enabled }}
{{- $key := required "simulator.key.secret: the simulator needs a Secret with an API key" .Values.simulator.key.secret }}
{{- end }}
{{- end }}
