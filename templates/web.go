package templates

import (
	"fmt"
	"io"
)

// WebVersion writes a campaign as everybody may see it: what would name its reader has its default or is left out, and
// what stands at its foot is about nobody. subject is its title.
func WebVersion(out io.Writer, c Campaign, layout LayoutData) (language string, err error) {
	layout.Public, layout.Web = true, ""
	content, err := Compile(c, layout)
	if err != nil {
		return "", fmt.Errorf("making the web version: %w", err)
	}
	content.html.nobody = true
	page, err := content.html.render(content, Person{}, Links{})
	if err != nil {
		return "", fmt.Errorf("making the web version: %w", err)
	}
	_, err = io.WriteString(out, page)
	return content.words.Language, err
}
