package templates

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var (
	colourSet  = regexp.MustCompile(`:root\{([^}]*)\}`)
	colourName = regexp.MustCompile(`--([a-z]+):#([0-9a-f]{3,6})`)
)

// colours reads the sets of the style sheet: light, dark, printed.
func colours(t *testing.T) []map[string]string {
	t.Helper()
	var sets []map[string]string
	for _, set := range colourSet.FindAllStringSubmatch(style(), -1) {
		named := map[string]string{"on": "fff"}
		for _, one := range colourName.FindAllStringSubmatch(set[1], -1) {
			named[one[1]] = one[2]
		}
		sets = append(sets, named)
	}
	if len(sets) != 3 {
		t.Fatalf("the style sheet has %d sets of colours, want light, dark and print", len(sets))
	}
	return sets
}

// luminance is that of WCAG 2.2, from 0 to 1.
func luminance(t *testing.T, hex string) float64 {
	t.Helper()
	if len(hex) == 3 {
		hex = strings.Repeat(hex[:1], 2) + strings.Repeat(hex[1:2], 2) + strings.Repeat(hex[2:], 2)
	}
	sum := 0.0
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		value, err := strconv.ParseUint(hex[2*i:2*i+2], 16, 8)
		if err != nil {
			t.Fatalf("#%s is no colour", hex)
		}
		c := float64(value) / 255
		if c <= 0.04045 {
			sum += weight * c / 12.92
			continue
		}
		sum += weight * math.Pow((c+0.055)/1.055, 2.4)
	}
	return sum
}

func contrast(t *testing.T, a, b string) float64 {
	t.Helper()
	x, y := luminance(t, a), luminance(t, b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// TestContrastOfEdges: the edge of what is filled in has to be seen (WCAG 2.2, 1.4.11).
func TestContrastOfEdges(t *testing.T) {
	for i, set := range colours(t) {
		if ratio := contrast(t, set["edge"], set["card"]); ratio < 3 {
			t.Errorf("set %d: an edge on a card has %.2f to 1, want 3", i, ratio)
		}
	}
}

// TestContrast wants 4.5 to 1 of all that is read (WCAG 2.2, 1.4.3). The colour of links is also that of the outline
// that shows the focus and of the edge of a button, which want 3 to 1 (1.4.11).
func TestContrast(t *testing.T) {
	for i, set := range colours(t) {
		for _, pair := range [][2]string{{"text", "card"}, {"soft", "card"}, {"link", "card"}, {"link", "page"}, {"on", "link"}, {"bad", "card"}} {
			ratio := contrast(t, set[pair[0]], set[pair[1]])
			t.Logf("set %d: %s on %s has %.1f to 1", i, pair[0], pair[1], ratio)
			if ratio < 4.5 {
				t.Errorf("set %d: %s on %s has %.2f to 1, want 4.5", i, pair[0], pair[1], ratio)
			}
		}
	}
	if got := contrast(t, "000", "ffffff"); math.Abs(got-21) > 0.001 {
		t.Errorf("black on white has %.3f to 1, want 21", got)
	}
}
