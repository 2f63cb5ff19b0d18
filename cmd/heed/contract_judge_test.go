package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

func (c *contract) judge(s shot, op map[string]any, answer *http.Response, text []byte) map[string]any {
	c.t.Helper()
	where := fmt.Sprintf("%s %v%s %s", s.op, s.params, s.query, s.body[:min(len(s.body), 100)])
	if answer.StatusCode != s.want {
		c.t.Errorf("%s: answered %d, want %d: %s", where, answer.StatusCode, s.want, text)
	}
	described, is := op["responses"].(map[string]any)[fmt.Sprint(answer.StatusCode)].(map[string]any)
	if !is {
		c.t.Errorf("%s: the status %d is not in the published file", where, answer.StatusCode)
		return nil
	}
	headers, _ := described["headers"].(map[string]any)
	for name, header := range headers {
		if header.(map[string]any)["required"] == true && answer.Header.Get(name) == "" {
			c.t.Errorf("%s: %d came without %s", where, answer.StatusCode, name)
		}
	}
	if described["content"] == nil && len(text) == 0 {
		return nil
	}
	kind, _, _ := strings.Cut(answer.Header.Get("Content-Type"), ";")
	content, is := described["content"].(map[string]any)[kind].(map[string]any)
	if !is {
		c.t.Errorf("%s: the type %q of %d is not in the published file", where, kind, answer.StatusCode)
		return nil
	}
	var body any
	if err := json.Unmarshal(text, &body); err != nil {
		c.t.Errorf("%s: %v", where, err)
	}
	for _, wrong := range c.fits(content["schema"].(map[string]any), body, "body") {
		c.t.Errorf("%s: %s: %s", where, wrong, text)
	}
	object, _ := body.(map[string]any)
	if s.code != "" && object["code"] != s.code {
		c.t.Errorf("%s: the code is %v, want %s: %s", where, object["code"], s.code, text)
	}
	if answer.StatusCode/100 == 2 {
		c.called[s.op] = true
	}
	return object
}

// fits holds a value against a schema, as far as the published file goes.
func (c *contract) fits(schema map[string]any, value any, at string) (wrong []string) {
	if ref, is := schema["$ref"].(string); is {
		name := strings.TrimPrefix(ref, "#/components/schemas/")
		schema = c.doc["components"].(map[string]any)["schemas"].(map[string]any)[name].(map[string]any)
	}
	if !fitsType(schema["type"], value) {
		return []string{fmt.Sprintf("%s is %T, not %v", at, value, schema["type"])}
	}
	if known, is := schema["enum"].([]any); is && !slices.Contains(known, value) {
		wrong = append(wrong, fmt.Sprintf("%s is %v, not one of %v", at, value, known))
	}
	switch v := value.(type) {
	case []any:
		items, _ := schema["items"].(map[string]any)
		for i, one := range v {
			wrong = append(wrong, c.fits(items, one, fmt.Sprintf("%s[%d]", at, i))...)
		}
	case map[string]any:
		wrong = append(wrong, c.fitsObject(schema, v, at)...)
	case string:
		if _, err := time.Parse(time.RFC3339, v); schema["format"] == "date-time" && err != nil {
			wrong = append(wrong, at+" is no time")
		}
	}
	return wrong
}

func (c *contract) fitsObject(schema, v map[string]any, at string) (wrong []string) {
	properties, _ := schema["properties"].(map[string]any)
	required, _ := schema["required"].([]any)
	for _, name := range required {
		if _, there := v[name.(string)]; !there {
			wrong = append(wrong, fmt.Sprintf("%s lacks %v", at, name))
		}
	}
	for name, one := range v {
		described, known := properties[name].(map[string]any)
		if !known {
			described, known = schema["additionalProperties"].(map[string]any)
		}
		if !known {
			wrong = append(wrong, fmt.Sprintf("%s.%s is not described", at, name))
			continue
		}
		wrong = append(wrong, c.fits(described, one, at+"."+name)...)
	}
	return wrong
}

func fitsType(described, value any) bool {
	names, many := described.([]any)
	if !many {
		names = []any{described}
	}
	is := map[bool]string{}
	switch v := value.(type) {
	case nil:
		is[true] = "null"
	case string:
		is[true] = "string"
	case bool:
		is[true] = "boolean"
	case []any:
		is[true] = "array"
	case map[string]any:
		is[true] = "object"
	case float64:
		is[true] = "number"
		if v == float64(int64(v)) && slices.Contains(names, any("integer")) {
			is[true] = "integer"
		}
	}
	return slices.Contains(names, any(is[true]))
}
