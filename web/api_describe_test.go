package web_test

import (
	"os"
	"testing"

	"heed/web"
)

// TestThePublishedFileIsFresh holds docs/openapi.json against the operations.
func TestThePublishedFileIsFresh(t *testing.T) {
	want, err := web.Describe()
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../docs/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Error("docs/openapi.json is not what the program says of itself: run make openapi")
	}
	b := newBench(t)
	if served := b.ask("GET", "/v1/openapi.json", "", ""); served.code != 200 || served.body != string(want) {
		t.Errorf("the server gives another description: %d", served.code)
	}
}
