SwaggerUIBundle({
  url: "/schema/openapi.json",
  dom_id: "#document",
  deepLinking: true,
  persistAuthorization: true,
  tryItOutEnabled: true,
  validatorUrl: null,
});
