package web

import (
	"encoding/json"
	"net/http"
	"strings"
)

// Paged is in the input of every operation that lists something.
type Paged struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"100" doc:"How many at most."`
	Cursor string `query:"cursor" maxLength:"1000" doc:"next_cursor of the page before."`
}

// from gives where a page begins, empty for the first. A cursor is good for one
// list and one key; nobody can make one up.
func (c *call) from(list string, p Paged) (string, error) {
	if p.Cursor == "" {
		return "", nil
	}
	text, err := c.Store.OpenText(c.cursorUse(list), p.Cursor)
	if err != nil {
		return "", problem(http.StatusUnprocessableEntity, "invalid_cursor", "this cursor is none of this list", "begin again without a cursor")
	}
	return text, nil
}

// next makes the cursor of the page after a place.
func (c *call) next(list, place string) (string, error) {
	return c.Store.SealText(c.cursorUse(list), place)
}

func (c *call) cursorUse(list string) string { return "cursor " + decimal(c.key.ID) + " " + list }

// quoted writes a text as a JSON string.
func quoted(text string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(text) // a string always can be written
	return strings.TrimSpace(b.String())
}
