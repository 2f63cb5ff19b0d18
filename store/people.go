package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"heed/consent"
)

// Contact is a person as a file or a program gives them.
type Contact struct {
	Row                                 int // in the file, for messages
	Email, FirstName, LastName, Company string
	Language, TimeZone, ExternalID      string
	Topics, Services                    []string
	PartnerOffers, Sharing              bool
	ConsentAt                           time.Time
	ConsentSource, ConsentText          string
	Attrs                               map[string]string
}

// Imported says what became of the rows of an import; each row is counted
// once.
type Imported struct {
	Added     int        `json:"added"`
	Updated   int        `json:"updated"`
	Unchanged int        `json:"unchanged"`
	KeptOut   int        `json:"kept_out"` // the row said yes, a no on record stays
	Rejected  []Rejected `json:"rejected"`
}

// Rejected is a row that could not be taken.
type Rejected struct {
	Row    int    `json:"row"`
	Reason string `json:"reason"`
}

// importChunk bounds a transaction: an opt-out never waits for more than one.
const importChunk = 250

var errDryRun = errors.New("dry run")

// Import stores people. A first yes is recorded only where the row tells date,
// source and wording and nothing is on record; a no is never changed.
func (s *Store) Import(ctx context.Context, contacts []Contact, source string, dryRun bool) (Imported, error) {
	total := Imported{Rejected: []Rejected{}}
	names, err := s.loadNames(ctx)
	if err != nil {
		return total, err
	}
	for start := 0; start < len(contacts); {
		chunk, end := s.nextChunk(contacts, start, names, &total)
		start = end
		var counted Imported
		err := s.inTx(ctx, "importing contacts", func(t *tx) error {
			var err error
			if counted, err = t.importChunk(ctx, chunk, source); err == nil && dryRun {
				err = errDryRun
			}
			return err
		})
		if err != nil && !errors.Is(err, errDryRun) {
			return total, err
		}
		total.Added += counted.Added
		total.Updated += counted.Updated
		total.Unchanged += counted.Unchanged
		total.KeptOut += counted.KeptOut
	}
	return total, nil
}

// incoming is a contact that was checked.
type incoming struct {
	Contact
	key      consent.Key
	topics   []int
	services []int
}

// nextChunk takes the next rows in which no address comes twice.
func (s *Store) nextChunk(all []Contact, start int, n names, total *Imported) ([]incoming, int) {
	var chunk []incoming
	seen := map[consent.Key]bool{}
	for ; start < len(all) && len(chunk) < importChunk; start++ {
		one, err := s.check(all[start], n)
		if err != nil {
			total.Rejected = append(total.Rejected, Rejected{all[start].Row, err.Error()})
			continue
		}
		if seen[one.key] {
			break
		}
		seen[one.key] = true
		chunk = append(chunk, one)
	}
	return chunk, start
}

type names struct{ topics, services map[string]int }

func (s *Store) loadNames(ctx context.Context) (n names, err error) {
	index := func(all []Named) map[string]int {
		numbers := map[string]int{}
		for _, one := range all {
			numbers[one.ID] = one.Number
		}
		return numbers
	}
	topics, err := s.Topics(ctx)
	if err != nil {
		return n, err
	}
	services, err := s.Services(ctx)
	return names{index(topics), index(services)}, err
}

func (s *Store) check(c Contact, n names) (incoming, error) {
	one := incoming{Contact: c}
	var err error
	if one.key, one.Email, err = s.Key(c.Email); err != nil {
		return one, err
	}
	if one.topics, err = lookUp(c.Topics, n.topics, "topic"); err != nil {
		return one, err
	}
	if one.services, err = lookUp(c.Services, n.services, "service"); err != nil {
		return one, err
	}
	if c.ConsentAt.After(s.now()) {
		return one, errors.New("consent_at lies in the future")
	}
	return one, nil
}

func lookUp(ids []string, known map[string]int, what string) ([]int, error) {
	var numbers []int
	for _, id := range ids {
		number, found := known[id]
		if !found {
			return nil, fmt.Errorf("%s %q is not in the configuration; add it as [[%s]]", what, id, what)
		}
		numbers = append(numbers, number)
	}
	return numbers, nil
}

// Person is a stored person with what they decided.
type Person struct {
	ID      int64
	Subject string
	Key     consent.Key
	Contact
	State consent.State
}

const personColumns = `p.id, p.subject, p.address, p.email, p.first_name, p.last_name, p.company, p.language, p.time_zone, p.attrs, a.state`

func scanPerson(row scanner) (p Person, err error) {
	var key, attrs, state string
	if err = row.Scan(&p.ID, &p.Subject, &key, &p.Email, &p.FirstName, &p.LastName, &p.Company, &p.Language, &p.TimeZone, &attrs, &state); err != nil {
		return p, err
	}
	if p.Key, err = consent.ParseKey(key); err != nil {
		return p, err
	}
	if err = p.readAttrs(attrs); err != nil {
		return p, err
	}
	p.State, err = consent.DecodeState(state)
	return p, err
}

func (p *Person) readAttrs(text string) error {
	if text == "{}" {
		return nil
	}
	if err := json.Unmarshal([]byte(text), &p.Attrs); err != nil {
		return fmt.Errorf("reading attributes: %w", err)
	}
	return nil
}

// PersonByKey finds who is stored under an address key. ok is false where
// nobody is.
func (s *Store) PersonByKey(ctx context.Context, key consent.Key) (p Person, ok bool, err error) {
	p, err = scanPerson(s.read.QueryRowContext(ctx, `SELECT `+personColumns+` FROM person p JOIN address a ON a.key = p.address
		WHERE p.address = $1`, key.String()))
	if errors.Is(err, sql.ErrNoRows) {
		return Person{}, false, nil
	}
	return p, err == nil, err
}

// PersonAt is PersonByKey for a key as it is stored. Where nobody is stored the
// person is empty.
func (s *Store) PersonAt(ctx context.Context, address string) (Person, error) {
	key, err := consent.ParseKey(address)
	if err != nil {
		return Person{}, err
	}
	p, _, err := s.PersonByKey(ctx, key)
	return p, err
}

// State gives what an address key decided, also of somebody never stored.
func (s *Store) State(ctx context.Context, key consent.Key) (consent.State, error) {
	var text string
	err := s.read.QueryRowContext(ctx, `SELECT state FROM address WHERE key = $1`, key.String()).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return consent.State{}, nil
	}
	if err != nil {
		return consent.State{}, fmt.Errorf("reading a state: %w", err)
	}
	return consent.DecodeState(text)
}

// People calls each with every stored person in the order of their numbers,
// from the one after `after` on; each returns false to stop.
func (s *Store) People(ctx context.Context, after int64, each func(Person) bool) error {
	for {
		page, err := s.peoplePage(ctx, after)
		if err != nil || len(page) == 0 {
			return err
		}
		for _, p := range page {
			if !each(p) {
				return nil
			}
			after = p.ID
		}
	}
}

func (s *Store) peoplePage(ctx context.Context, after int64) ([]Person, error) {
	found, err := s.read.QueryContext(ctx, `SELECT `+personColumns+` FROM person p JOIN address a ON a.key = p.address
		WHERE p.id > $1 ORDER BY p.id LIMIT 1000`, after)
	if err != nil {
		return nil, fmt.Errorf("reading people: %w", err)
	}
	defer found.Close()
	var page []Person
	for found.Next() {
		p, err := scanPerson(found)
		if err != nil {
			return nil, err
		}
		page = append(page, p)
	}
	return page, found.Err()
}

// newSubject makes the random id under which the ledger knows a person.
func newSubject() string {
	return rand.Text()
}

// newSubjects makes those of people who are stored at once. They begin alike, so that
// they lie side by side in each tree that is ordered by them; that these people
// came together the ledger tells as well. What differs is 110 random bits.
func newSubjects() func() string {
	alike := rand.Text()[:4]
	return func() string { return alike + rand.Text()[4:] }
}
