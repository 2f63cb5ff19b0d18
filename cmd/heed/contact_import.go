package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"heed/store"
)

// importPiece is how many contacts are stored at a time.
const importPiece = 5000

type importCommand struct {
	File   string `arg:"" help:"CSV file in UTF-8 with a header line; - for standard input."`
	Source string `help:"Where this list comes from; kept with the evidence." placeholder:"TEXT"`
	DryRun bool   `help:"Tell what would happen, and change nothing."`
	output
}

// Help lists the columns and shows an example.
func (importCommand) Help() string {
	return `Columns: ` + strings.Join(contactColumns(), ", ") + `. Lists are separated by |.

A first yes is recorded only where the row gives consent_at, consent_source and consent_text and nothing is on record. A no stays a no.

Example: heed contact import people.csv --source "shop, June" --dry-run`
}

func contactColumns() []string {
	return []string{"email", "first_name", "last_name", "company", "language", "time_zone", "external_id", "topics", "services",
		"partner_offers", "sharing", "consent_at", "consent_source", "consent_text", "attr.NAME"}
}

func contactColumn(name string) bool {
	if attr, is := strings.CutPrefix(name, "attr."); is {
		return slug.MatchString(strings.ToLower(attr))
	}
	return name != "attr.NAME" && slices.Contains(contactColumns(), name)
}

// Run stores the people of the file.
func (c *importCommand) Run(a *app) error {
	file, err := openInput(c.File)
	if err != nil {
		return err
	}
	defer file.Close()
	t, err := newSheet(file, contactColumn, contactColumns())
	if err != nil {
		return fmt.Errorf("importing %s: %w", c.File, err)
	}
	s, err := a.store()
	if err != nil {
		return err
	}
	source := c.Source
	if source == "" {
		source = c.File
	}
	total := store.Imported{Rejected: []store.Rejected{}}
	for more := true; more; {
		p := newPile(t.columns)
		if more, err = p.read(t, s, &total); err != nil {
			return a.brokenOff(total, fmt.Errorf("importing %s: %w", c.File, err))
		}
		if err := c.storePile(a.ctx, s, p, source, &total); err != nil {
			return a.brokenOff(total, err)
		}
	}
	slices.SortStableFunc(total.Rejected, func(x, y store.Rejected) int { return x.Row - y.Row })
	return a.show(total, func() { a.sayImported(total, c.DryRun) })
}

// storePile stores what was read, some at a time.
func (c *importCommand) storePile(ctx context.Context, s *store.Store, p *pile, source string, total *store.Imported) error {
	for piece := range slices.Chunk(p.sorted(), importPiece) {
		done, err := s.Import(ctx, p.contacts(piece, total), source, c.DryRun)
		addImported(total, done)
		if err != nil {
			return err
		}
	}
	return nil
}

// brokenOff tells how far an import came: the same file can be imported again.
func (a *app) brokenOff(total store.Imported, err error) error {
	return hinted(err, fmt.Sprintf("%d rows were taken before; import the same file again, what is stored stays as it is",
		total.Added+total.Updated+total.Unchanged+total.KeptOut))
}

func openInput(path string) (io.ReadCloser, error) {
	if path == "-" {
		return io.NopCloser(os.Stdin), nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	return f, nil
}

func addImported(total *store.Imported, done store.Imported) {
	total.Added += done.Added
	total.Updated += done.Updated
	total.Unchanged += done.Unchanged
	total.KeptOut += done.KeptOut
	total.Rejected = append(total.Rejected, done.Rejected...)
}

func (a *app) sayImported(total store.Imported, dry bool) {
	if dry {
		a.say("Nothing is changed yet; this is what an import would do.")
	}
	a.say("%d added, %d updated, %d unchanged, %d kept out (a no is on record), %d rejected",
		total.Added, total.Updated, total.Unchanged, total.KeptOut, len(total.Rejected))
	for _, one := range total.Rejected {
		a.say("  line %d: %s", one.Row, one.Reason)
	}
}

func contactOf(row map[string]string, line int) (c store.Contact, err error) {
	c = store.Contact{Row: line, Email: row["email"], FirstName: row["first_name"], LastName: row["last_name"], Company: row["company"],
		Language: row["language"], TimeZone: row["time_zone"], ExternalID: row["external_id"], Topics: split(row["topics"]),
		Services: split(row["services"]), ConsentSource: row["consent_source"], ConsentText: row["consent_text"]}
	if c.Email == "" {
		return c, errors.New("email is empty")
	}
	if c.PartnerOffers, err = yes("partner_offers", row); err != nil {
		return c, err
	}
	if c.Sharing, err = yes("sharing", row); err != nil {
		return c, err
	}
	if c.TimeZone != "" {
		if _, err := time.LoadLocation(c.TimeZone); err != nil {
			return c, fmt.Errorf("time_zone %q is unknown; write one such as Europe/Berlin", c.TimeZone)
		}
	}
	c.Attrs = attrsOf(row)
	c.ConsentAt, err = when("consent_at", row)
	return c, err
}

func attrsOf(row map[string]string) map[string]string {
	var attrs map[string]string
	for column, value := range row {
		name, is := strings.CutPrefix(column, "attr.")
		if !is || value == "" {
			continue
		}
		if attrs == nil {
			attrs = map[string]string{}
		}
		attrs[name] = value
	}
	return attrs
}

func split(text string) (list []string) {
	for one := range strings.SplitSeq(text, "|") {
		if one = strings.TrimSpace(one); one != "" {
			list = append(list, one)
		}
	}
	return list
}

func yes(column string, row map[string]string) (bool, error) {
	switch strings.ToLower(row[column]) {
	case "yes", "true", "1":
		return true, nil
	case "no", "false", "0", "":
		return false, nil
	}
	return false, fmt.Errorf("%s is %q, but must be yes or no", column, row[column])
}

func when(column string, row map[string]string) (time.Time, error) {
	text := row[column]
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02 15:04:05", "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%s is %q, but must be like 2026-06-14 or 2026-06-14T09:00:00Z", column, text)
}
