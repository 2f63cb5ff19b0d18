package consent

import (
	"encoding/json"
	"reflect"
	"testing"
)

// decoded are states as texts: such as Encode writes, and others.
var decoded = []string{
	`{"m":{"c":"out","t":1767312000000000,"v":"one_click"}}`,
	`{"p":{"c":"in","t":5,"v":"import","s":"web form","u":true},"sh":{"c":"out","t":-7},"tp":{"1":{"c":"in","t":1},"12":{"c":"out","t":2}},"h":1,"r":2,"d":3,"st":4,"e":5,"su":6,"pa":7}`,
	`{"tp":{"1":{"c":"in","t":1,"s":"a \"quoted\" form"}}}`,
	`{"tp":{"1":{"c":"in","t":1,"s":"Köln"}}}`,
	`{"tp":{}}`, `{"tp":{"01":{"c":"in"}}}`, `{"M":{"c":"in"}}`, `{"m":{"u":false}}`, `{"m":null}`, `{"x":{"y":[1]},"h":3}`,
	`{ "h": 1 }`, `{"h":1e3}`, `{"h":1}x`, `{"h":01}`, `{"h":-0}`, `{"h":`, `{`, `{"h":1,}`, `{"h":1,"h":2}`, `{"m":{"c":"in"},"m":{"t":3}}`, `[]`, `null`,
}

// FuzzDecodeStateAsJSON: what is read straight off is what encoding/json reads.
func FuzzDecodeStateAsJSON(f *testing.F) {
	for _, text := range decoded {
		f.Add(text)
	}
	f.Fuzz(sameAsJSON)
}

func sameAsJSON(t *testing.T, text string) {
	var want State
	wantErr := json.Unmarshal([]byte(text), &want)
	if text == "" {
		wantErr = nil
	}
	got, err := DecodeState(text)
	if (err == nil) != (wantErr == nil) {
		t.Fatalf("%s: %v, want %v", text, err, wantErr)
	}
	if err == nil && !reflect.DeepEqual(got, want) {
		t.Errorf("%s: %+v, want %+v", text, got, want)
	}
}

// TestDecodeStateIsDirect: what Encode writes needs no encoding/json.
func TestDecodeStateIsDirect(t *testing.T) {
	for _, text := range decoded[:2] {
		r := stateReader{rest: text}
		if s := r.state(); r.strange || r.rest != "" || s.Encode() != text {
			t.Errorf("%s was read as %s, %+v", text, s.Encode(), r)
		}
	}
}

func BenchmarkDecodeState(b *testing.B) {
	for b.Loop() {
		if _, err := DecodeState(decoded[1]); err != nil {
			b.Fatal(err)
		}
	}
}
