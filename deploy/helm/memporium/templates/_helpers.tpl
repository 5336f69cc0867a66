{{- define "memporium.labels" -}}
app.kubernetes.io/name: memporium
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .service }}
{{- end }}
