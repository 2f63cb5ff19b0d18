package web

import (
	"context"
	"net/http"
	"strings"

	"heed/store"
)

// Desk makes campaigns and alerts of what was written, by the rules of the
// configuration: the command line's own.
type Desk struct {
	// Draft reads a file and checks it against the configuration, without a look
	// at people. Its warnings keep nothing from being sent.
	Draft func(ctx context.Context, source []byte, alert bool) (c store.Campaign, warnings []string, err error)
	// Check looks at the people who would get it.
	Check func(context.Context, store.Campaign) (Checked, error)
	// Fit is an Unfit where something speaks against sending it; with skip, people
	// for whom a value is missing are left out instead.
	Fit func(ctx context.Context, c store.Campaign, skip bool) error
}

// Checked is what a check found.
type Checked struct {
	OK       bool           `json:"ok"`
	Missing  map[string]int `json:"missing" doc:"By merge field, for how many people it is missing."`
	Problems []string       `json:"problems"`
	Warnings []string       `json:"warnings"`
	Bytes    int            `json:"bytes" doc:"Of the HTML part."`
}

// Unfit says why something cannot be sent as it is.
type Unfit struct {
	Problems []string
	Hint     string
}

// Error lists what is wrong.
func (u Unfit) Error() string { return strings.Join(u.Problems, "; ") }

// sandboxPages shows the pages of the people whom a test key has made up.
func (s *Server) sandboxPages(w http.ResponseWriter, r *http.Request) {
	if s.o.Doors.SandboxPages == nil {
		s.noSuchLink(w, r)
		return
	}
	pages := s.o.Doors.SandboxPages()
	if pages == nil {
		s.noSuchLink(w, r)
		return
	}
	http.StripPrefix("/sandbox", pages).ServeHTTP(w, r)
}
