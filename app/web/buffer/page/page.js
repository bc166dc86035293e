SwaggerUIBundle({
  url: "openapi3.json",
  dom_id: "#api",
  deepLinking: true, // #/configuration/CreateReceiver
  tryItOutEnabled: false,
  displayRequestDuration: true,
  defaultModelsExpandDepth: 0,
  validatorUrl: null, // nothing of this page asks another host
});
