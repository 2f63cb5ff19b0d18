package main

import (
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"heed/consent"
	"heed/mailer/mailertest"
	"heed/store"
)

// benchPairs is how many pairs of a known and an unknown address are tried.
const benchPairs = 100

// knownPages are the pages that could tell.
var knownPages = []string{"page to unsubscribe", "one click", "a link by address", "sign-up"}

// knownPage is a page that could tell by its time whether an address is on file.
type knownPage struct {
	name string
	ask  func(email string, n int) *http.Request
}

// TestBenchKnown asks each page that takes an address or its link about addresses
// on file and about others, one beside the other in an order left to chance, and
// tells how far the ranks of their times are from what chance alone gives. Within
// three sigma nobody learns from a hundred tries who is on file.
// TestKnownAndUnknownTakeTheSameWork tells why.
func TestBenchKnown(t *testing.T) {
	benchEngines(t, func(t *testing.T, engine string) {
		n := fromEnv("HEED_BENCH_PAIRS", benchPairs)
		b := openBench(t, benchPlan{engine: engine, people: 4 * n, holders: 4 * n, config: "[signup]\nopen = true\n"})
		b.receive(t, mailertest.Options{})
		b.serve(t, 10)
		s := b.open(t)
		var figures []figure
		for i, page := range b.knownPages(t, s) {
			z, apart := b.compare(t, page, i*n, n)
			name := fmt.Sprintf("%s, known or unknown address: %s", engine, page.name)
			figures = append(figures, measured(t, name+", ranks apart", z), measured(t, name+", median apart", apart.Seconds()*1000))
		}
		report(t, figures)
	})
}

// compare gives Wilcoxon's signed-rank statistic of the pairs, in standard
// deviations, and the median of their differences.
func (b *benched) compare(t *testing.T, page knownPage, first, pairs int) (z float64, apart time.Duration) {
	t.Helper()
	var differences []time.Duration
	for i := range pairs {
		emails := []string{b.reader(first + i), fmt.Sprintf("stranger-%07d@people%d.example", first+i, i%50)}
		var took [2]time.Duration
		for _, which := range rand.Perm(2) {
			took[which] = timed(t, page.ask(emails[which], first+i))
		}
		differences = append(differences, took[0]-took[1])
	}
	middle := slices.Sorted(slices.Values(differences))[pairs/2]
	return math.Abs(signedRanks(differences)), max(middle, -middle)
}

// signedRanks is Wilcoxon's statistic as a normal variable: under chance alone it
// has mean 0 and deviation 1, whatever the times are distributed like.
func signedRanks(differences []time.Duration) float64 {
	slices.SortFunc(differences, func(a, b time.Duration) int { return int(max(a, -a) - max(b, -b)) })
	sum, n := 0.0, float64(len(differences))
	for i, one := range differences {
		if one > 0 {
			sum += float64(i + 1)
		}
	}
	return (sum - n*(n+1)/4) / math.Sqrt(n*(n+1)*(2*n+1)/24)
}

// timed sends a request, reads its answer, and lets what follows from it settle: the
// letter to one address must not slow down the question about the next.
func timed(t *testing.T, r *http.Request) time.Duration {
	t.Helper()
	began := time.Now()
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(io.Discard, answer.Body)
	took := time.Since(began)
	answer.Body.Close()
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s answered %s, %v", r.URL.Path, answer.Status, err)
	}
	time.Sleep(20 * time.Millisecond)
	return took
}

func (b *benched) knownPages(t *testing.T, s *store.Store) []knownPage {
	t.Helper()
	token := func(email string) string {
		key, _, err := s.Key(email)
		if err != nil {
			t.Fatal(err)
		}
		return s.Keys().Links.Seal(consent.Link{Purpose: consent.PurposeOptOut, Address: key, Scope: 1})
	}
	mark := b.wordingMark(t)
	post := func(path string, fields url.Values, n int) *http.Request {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.url+path, strings.NewReader(fields.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("X-Forwarded-For", fmt.Sprintf("198.18.%d.%d", n%250, n/250)) // each from a network of its own
		return r
	}
	return []knownPage{
		{knownPages[0], func(email string, _ int) *http.Request {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.url+"/u/"+token(email), nil)
			if err != nil {
				t.Fatal(err)
			}
			return r
		}},
		{knownPages[1], func(email string, n int) *http.Request {
			return post("/u/"+token(email), url.Values{"List-Unsubscribe": {"One-Click"}}, n)
		}},
		{knownPages[2], func(email string, n int) *http.Request { return post("/link", url.Values{"email": {email}}, n) }},
		{knownPages[3], func(email string, n int) *http.Request {
			return post("/s", url.Values{"email": {email}, "topic": {"news"}, "wording": {mark}}, n)
		}},
	}
}

var benchMark = regexp.MustCompile(`name="wording" value="([0-9a-f]+)"`)

func (b *benched) wordingMark(t *testing.T) string {
	t.Helper()
	answer, err := http.Get(b.url + "/s")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	found := benchMark.FindSubmatch(text)
	if err != nil || found == nil {
		t.Fatalf("the form to sign up: %v, %s", err, text)
	}
	return string(found[1])
}

// TestSignedRanks: a page that takes longer for whoever is on file stands out, and
// noise alone does not.
func TestSignedRanks(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var even, uneven []time.Duration
	for range benchPairs {
		noise := time.Duration((r.Float64() - r.Float64()) * float64(time.Millisecond))
		even, uneven = append(even, noise), append(uneven, noise+300*time.Microsecond)
	}
	if z := math.Abs(signedRanks(even)); z > 3 {
		t.Errorf("noise is %.1f sigma apart", z)
	}
	if z := math.Abs(signedRanks(uneven)); z < 5 {
		t.Errorf("a difference of 0.3 ms is only %.1f sigma apart", z)
	}
}
