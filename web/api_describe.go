package web

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/danielgtaylor/huma/v2"
)

// description is what the published file says of the API as a whole.
func description() *huma.OpenAPI {
	return &huma.OpenAPI{OpenAPI: "3.1.0",
		Info: &huma.Info{Title: "Heed", Version: "1", Description: `The doors for a company's own programs.

Send a key with every request: Authorization: Bearer KEY. A test key (heed_test_...) reaches a sandbox of its own: what it
stores and sends is kept apart from real people, goes through every step and is handed to nobody.

Whatever is refused is answered with application/problem+json and has changed nothing; go by its code. A request that changes
something may be sent again with the same Idempotency-Key. Unknown fields are refused. Times are RFC 3339.`},
		Servers: []*huma.Server{{URL: "/", Description: "the address of this installation, with the path of PUBLIC_URL in front where it has one"}},
		Tags: []*huma.Tag{
			{Name: "contacts", Description: "People, by the ids that the product gives them."},
			{Name: "preferences", Description: "What people chose. A no takes effect at once; only the person turns a no into a yes."},
			{Name: "send", Description: "Service alerts."},
			{Name: "campaigns", Description: "Newsletters and partner offers."},
			{Name: "cases", Description: "Privacy requests."},
			{Name: "suppressions", Description: "Addresses that are not written to."},
			{Name: "partner", Description: "For partners: who agreed that you get their data, and who does no more. Your key says which partner you are."},
		},
		Components: &huma.Components{
			Schemas:         huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer),
			SecuritySchemes: map[string]*huma.SecurityScheme{"key": {Type: "http", Scheme: "bearer", Description: "A key made by heed token create."}},
		}}
}

// describe writes the published file: the same bytes for the same operations.
func (a *api) describe() ([]byte, error) {
	raw, err := json.Marshal(a.huma.OpenAPI())
	if err != nil {
		return nil, fmt.Errorf("describing the API: %w", err)
	}
	var doc bytes.Buffer
	if err := json.Indent(&doc, raw, "", "  "); err != nil {
		return nil, err
	}
	doc.WriteByte('\n')
	return doc.Bytes(), nil
}

// Describe gives the published file of the API.
func Describe() ([]byte, error) {
	a := newAPI(Options{})
	a.open()
	return a.doc()
}
