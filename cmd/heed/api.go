package main

import "heed/web"

type apiCommand struct {
	Describe apiDescribeCommand `cmd:"" help:"Print the description of the HTTP API (OpenAPI 3.1)."`
}

type apiDescribeCommand struct{}

// Help tells where it is published and shows an example.
func (apiDescribeCommand) Help() string {
	return "The same file lies in docs/openapi.json, and every server gives it at /v1/openapi.json.\n\nExample: heed api describe > openapi.json"
}

// Run prints the description.
func (apiDescribeCommand) Run(a *app) error {
	doc, err := web.Describe()
	if err != nil {
		return err
	}
	_, err = a.out.Write(doc)
	return err
}
